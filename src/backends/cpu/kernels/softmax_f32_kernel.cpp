// SPDX-License-Identifier: Apache-2.0
// Softmax over the last axis of f32 tensors, and its logarithm. Parameter log.
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/rows_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "softmax kernel";
constexpr std::int64_t kGrain = 8192;  // least floats for a thread

class SoftmaxKernel final : public Kernel {
 public:
  explicit SoftmaxKernel(const KernelInit& init)
      : log_(init.parameters.integer("log") != 0), rows_(row_set_f32()) {}

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[0], &y = outputs[0];
    require(
        x.dtype == DType::f32 && y.dtype == DType::f32 && !x.dims.empty() && x.shape() == y.shape(),
        kWhat, "its operands do not fit");
    size_ = x.dims.back();
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    parallel_for(outputs[0].size() / size_, 1 + kGrain / size_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row)
                     rows_.softmax(x + row * size_, y + row * size_, size_, log_);
                 });
  }

 private:
  bool log_;
  const RowSetF32& rows_;
  std::int64_t size_ = 1;
};

}  // namespace

void register_softmax_f32_kernel(KernelTable& table) {
  table.add("softmax_f32", make<SoftmaxKernel>);
}

}  // namespace strop::cpu

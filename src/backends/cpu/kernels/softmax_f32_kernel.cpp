// SPDX-License-Identifier: Apache-2.0
// Softmax over an axis of f32 tensors, and its logarithm. Parameters log and axis, from the first.
#include <algorithm>

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
      : log_(init.parameters.integer("log") != 0),
        axis_(init.parameters.integer("axis")),
        rows_(row_set_f32()) {}

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[0], &y = outputs[0];
    require(
        x.dtype == DType::f32 && y.dtype == DType::f32 && !x.dims.empty() && x.shape() == y.shape(),
        kWhat, "its operands do not fit");
    require(axis_ >= 0 && static_cast<std::size_t>(axis_) < x.dims.size(), kWhat,
            "it has no such axis");
    const auto axis = static_cast<std::size_t>(axis_);
    size_ = x.dims[axis];
    inner_ = 1;
    for (const std::int64_t size : x.dims.subspan(axis + 1)) inner_ *= size;
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    if (outputs[0].size() == 0) return;
    if (inner_ > 1) return run_columns(x, y, outputs[0].size() / size_ / inner_);
    parallel_for(outputs[0].size() / size_, 1 + kGrain / size_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row)
                     rows_.softmax(x + row * size_, y + row * size_, size_, log_);
                 });
  }

 private:
  void run_columns(const float* x, float* y, std::int64_t outer) const {
    const std::int64_t pieces = (inner_ + kSoftmaxColumns - 1) / kSoftmaxColumns;
    parallel_for(outer * pieces, 1 + kGrain / (size_ * kSoftmaxColumns),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t column = i % pieces * kSoftmaxColumns;
                     const std::int64_t at = i / pieces * size_ * inner_ + column;
                     rows_.softmax_columns(x + at, y + at, size_, inner_,
                                           std::min(kSoftmaxColumns, inner_ - column), log_);
                   }
                 });
  }

  bool log_;
  std::int64_t axis_;
  const RowSetF32& rows_;
  std::int64_t size_ = 1, inner_ = 1;  // of the axis, and of those behind it
};

}  // namespace

void register_softmax_f32_kernel(KernelTable& table) {
  table.add("softmax_f32", make<SoftmaxKernel>);
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Softmax over one axis of f32 tensors, and its logarithm. Parameters: log, axis (of the tensor as
// it lies in memory).
#include <algorithm>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/rows_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "softmax kernel";
constexpr std::int64_t kGrain = 8192;   // least floats for a thread
constexpr std::int64_t kColumns = 256;  // of a task, where the axis is not the last one

class SoftmaxKernel final : public Kernel {
 public:
  explicit SoftmaxKernel(const KernelInit& init)
      : log_(init.parameters.integer("log") != 0),
        axis_(init.parameters.integer("axis")),
        rows_(row_set_f32()) {
    require(axis_ >= 0, kWhat, "its axis does not fit");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View &x = inputs[0], &y = outputs[0];
    require(x.dtype == DType::f32 && y.dtype == DType::f32 && x.shape() == y.shape() &&
                axis_ < static_cast<std::int64_t>(x.dims.size()),
            kWhat, "its operands do not fit");
    size_ = x.dims[static_cast<std::size_t>(axis_)];
    inner_ = 1;
    if (x.size() == 0) return 0;  // run is not called
    for (std::size_t i = static_cast<std::size_t>(axis_) + 1; i < x.dims.size(); ++i)
      inner_ *= x.dims[i];
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    if (inner_ > 1) return run_columns(x, y, outputs[0].size() / (size_ * inner_));
    parallel_for(outputs[0].size() / size_, 1 + kGrain / size_,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row)
                     rows_.softmax(x + row * size_, y + row * size_, size_, log_);
                 });
  }

 private:
  void run_columns(const float* x, float* y, std::int64_t outer) const {
    const std::int64_t parts = (inner_ + kColumns - 1) / kColumns;
    const std::int64_t floats = size_ * std::min(inner_, kColumns);  // of a part
    parallel_for(outer * parts, 1 + kGrain / floats, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) {
        const std::int64_t column = part % parts * kColumns;
        const std::int64_t at = part / parts * size_ * inner_ + column;
        rows_.softmax_columns(x + at, y + at, size_, inner_, std::min(kColumns, inner_ - column),
                              log_);
      }
    });
  }

  bool log_;
  std::int64_t axis_;
  const RowSetF32& rows_;
  std::int64_t size_ = 1, inner_ = 1;
};

}  // namespace

void register_softmax_f32_kernel(KernelTable& table) {
  table.add("softmax_f32", make<SoftmaxKernel>);
}

}  // namespace strop::cpu

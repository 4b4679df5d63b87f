// SPDX-License-Identifier: Apache-2.0
// A tensor in another layout (tactic/layout.hpp): per image, the matrix of channels by pixels is
// transposed. Parameter `to`: nhwc or plain. Any element of whole bytes.
#include <algorithm>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/transpose_block.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kTile = 32;                 // columns of a task
constexpr std::int64_t kTaskElements = 16 * 1024;  // least for a thread

class ReorderKernel final : public Kernel {
 public:
  explicit ReorderKernel(const KernelInit& init)
      : to_nhwc_(init.parameters.string("to") == "nhwc"), dtype_(init.inputs[0].dtype) {
    require(to_nhwc_ || init.parameters.string("to") == "plain", "reorder kernel",
            "it knows no such layout");
    require(dtype_ != DType::undefined && bits_of(dtype_) >= 8 && init.outputs[0].dtype == dtype_,
            "reorder kernel", "its operands are of other types");
    bytes_ = bits_of(dtype_) / 8;
    block_ = transpose_block(bytes_);
    require(block_ != nullptr, "reorder kernel", "no elements of that width");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const View& x = inputs[0];
    const View& y = outputs[0];
    require(inputs.size() == 1 && x.dtype == dtype_ && y.dtype == dtype_, "reorder kernel",
            "its operands are of other types");
    Shape expected = x.shape();
    require(expected.size() >= 3, "reorder kernel", "its input has no spatial axes");
    if (to_nhwc_) {
      std::rotate(expected.begin() + 1, expected.begin() + 2, expected.end());
    } else {
      std::rotate(expected.begin() + 1, expected.end() - 1, expected.end());
    }
    require(y.shape() == expected, "reorder kernel", "its output has another shape");
    outer_ = x.dims[0];
    rows_ = 1;
    columns_ = 1;
    // The matrix that is read: channels x pixels, or pixels x channels.
    for (std::size_t i = 1; i < x.dims.size(); ++i) {
      const bool is_row = to_nhwc_ ? i == 1 : i + 1 < x.dims.size();
      (is_row ? rows_ : columns_) *= x.dims[i];
    }
    return 0;
  }

  // What is written goes forwards: a task holds whole rows of the output.
  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const std::byte>();
    auto* y = outputs[0].as<std::byte>();
    const std::int64_t tiles = (columns_ + kTile - 1) / kTile;
    const std::int64_t tile = rows_ * std::min(columns_, kTile);
    parallel_for(outer_ * tiles,
                 std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, tile)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t image = task / tiles * rows_ * columns_;
                     const std::int64_t c = task % tiles * kTile;
                     block_(x + (image + c) * bytes_, columns_, y + (image + c * rows_) * bytes_,
                            rows_, rows_, std::min(kTile, columns_ - c));
                   }
                 });
  }

 private:
  bool to_nhwc_;
  DType dtype_;
  std::int64_t bytes_ = 1;
  TransposeBlock block_ = nullptr;
  std::int64_t outer_ = 0, rows_ = 0, columns_ = 0;
};

}  // namespace

void register_reorder_kernel(KernelTable& table) { table.add("reorder", make<ReorderKernel>); }

}  // namespace strop::cpu

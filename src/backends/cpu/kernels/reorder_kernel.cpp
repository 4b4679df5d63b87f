// SPDX-License-Identifier: Apache-2.0
// A tensor in another layout (tactic/layout.hpp): per image, the matrix of channels by pixels is
// transposed. Parameter `to`: nhwc or plain. Any element of whole bytes.
#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/kernel.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kTile = 16;  // elements a side: rows of 64 bytes for floats

template <class T>
void transpose_tile(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride,
                    std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
  }
}

class ReorderKernel final : public Kernel {
 public:
  explicit ReorderKernel(const KernelInit& init)
      : to_nhwc_(init.parameters.string("to") == "nhwc"), dtype_(init.inputs[0].dtype) {
    require(to_nhwc_ || init.parameters.string("to") == "plain", "reorder kernel",
            "it knows no such layout");
    require(dtype_ != DType::undefined && bits_of(dtype_) >= 8 && init.outputs[0].dtype == dtype_,
            "reorder kernel", "its operands are of other types");
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

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    switch (bits_of(dtype_)) {
      case 8:
        return transpose<std::uint8_t>(inputs[0], outputs[0]);
      case 16:
        return transpose<std::uint16_t>(inputs[0], outputs[0]);
      case 32:
        return transpose<std::uint32_t>(inputs[0], outputs[0]);
      case 64:
        return transpose<std::uint64_t>(inputs[0], outputs[0]);
      default:
        throw Error(ErrorCode::engine_invalid, "reorder kernel", "no elements of that width");
    }
  }

 private:
  template <class T>
  void transpose(const View& x, const View& y) const {
    const std::int64_t row_tiles = (rows_ + kTile - 1) / kTile;
    const std::int64_t column_tiles = (columns_ + kTile - 1) / kTile;
    // What is written goes forwards: a task holds tiles side by side in the output's rows.
    parallel_for(outer_ * column_tiles, std::max<std::int64_t>(1, 64 / row_tiles),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t image = task / column_tiles * rows_ * columns_;
                     const std::int64_t c = task % column_tiles * kTile;
                     for (std::int64_t r = 0; r < rows_; r += kTile) {
                       transpose_tile(x.as<const T>() + image + r * columns_ + c, columns_,
                                      y.as<T>() + image + c * rows_ + r, rows_,
                                      std::min(kTile, rows_ - r), std::min(kTile, columns_ - c));
                     }
                   }
                 });
  }

  bool to_nhwc_;
  DType dtype_;
  std::int64_t outer_ = 0, rows_ = 0, columns_ = 0;
};

}  // namespace

void register_reorder_kernel(KernelTable& table) { table.add("reorder", make<ReorderKernel>); }

}  // namespace strop::cpu

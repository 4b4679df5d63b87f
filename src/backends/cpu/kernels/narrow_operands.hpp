// SPDX-License-Identifier: Apache-2.0
// What kernels of bf16 products share: an f32 operand rounded before it is read, and the residual
// and the type of the result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/cpu/kernels/epilogue_runs.hpp"
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/tile_bf16.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {

inline constexpr std::int64_t kNarrowGrain = 16384;  // elements rounded by a thread at a time

inline void narrow_all(const TileSetBf16& tiles, const float* from, std::uint16_t* to,
                       std::int64_t count) {
  parallel_for(count, kNarrowGrain, [&](std::int64_t begin, std::int64_t end) {
    tiles.narrow(to + begin, from + begin, end - begin);
  });
}

// What becomes of the sums of a bf16 product: the result is bf16 or f32, a residual may be bf16
// (parameter residual: an input, or -1), the rest is an epilogue over f32.
class NarrowEpilogue {
 public:
  NarrowEpilogue(const KernelInit& init, const char* kernel)
      : runs_(parse_epilogue(init.parameters.string("epilogue")), init.inputs.size()),
        residual_(init.parameters.integer("residual")) {
    require(residual_ >= -1 && residual_ < static_cast<std::int64_t>(init.inputs.size()), kernel,
            "its residual is not there");
  }

  void prepare(std::span<const View> inputs, const View& y, const char* kernel) {
    require(y.dtype == DType::f32 || y.dtype == DType::bf16, kernel, "its result is of no use");
    wide_ = y.dtype == DType::f32;
    if (residual_ >= 0) {
      const View& r = inputs[static_cast<std::size_t>(residual_)];
      require(r.dtype == DType::bf16 && std::ranges::equal(r.dims, y.dims), kernel,
              "its residual does not fit");
    }
    runs_.prepare(inputs, y.dims);
  }

  bool is_done() const { return runs_.is_done(); }

  // Lets the tile finish its sums: `at` is the first element of the result that it writes, in rows
  // of `columns`. What is left after that works on f32, for which bf16 results pass through
  // `buffer`, rows of `stride` floats.
  void set_finish(std::span<const View> inputs, const View& y, std::int64_t at, float* buffer,
                  std::int64_t stride, TileBf16& tile) const {
    const EpilogueRuns::InRegisters& last = runs_.in_registers();
    tile.sums = nullptr;
    tile.low = last.low;
    tile.high = last.high;
    tile.residual_stride = y.dims.back();
    if (residual_ >= 0) {
      tile.narrow_residual =
          inputs[static_cast<std::size_t>(residual_)].as<const std::uint16_t>() + at;
    }
    if (last.residual >= 0)
      tile.residual = inputs[static_cast<std::size_t>(last.residual)].as<const float>() + at;
    const bool buffered = !wide_ && !runs_.is_done();
    tile.wide = wide_ || buffered;
    tile.out_stride = buffered ? stride : y.dims.back();
    tile.out = buffered ? static_cast<void*>(buffer) : y.as<std::byte>() + at * (wide_ ? 4 : 2);
  }

  // The rest, for rows [row, row + rows) and `count` columns from `column` on of the result: in
  // place, or from the buffer, whose rows are `stride` floats apart.
  void finish_rest(std::span<const View> inputs, const View& y, const TileSetBf16& tiles,
                   std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t count,
                   float* buffer, std::int64_t stride) const {
    if (is_done()) return;
    const std::int64_t columns = y.dims.back();
    if (wide_) {
      runs_.apply_rows(inputs, row, rows, column, count, y.as<float>() + row * columns + column,
                       columns);
      return;
    }
    runs_.apply_rows(inputs, row, rows, column, count, buffer, stride);
    for (std::int64_t i = 0; i < rows; ++i) {
      tiles.narrow(y.as<std::uint16_t>() + (row + i) * columns + column, buffer + i * stride,
                   count);
    }
  }

 private:
  EpilogueRuns runs_;
  std::int64_t residual_ = -1;
  bool wide_ = true;
};

}  // namespace strop::cpu

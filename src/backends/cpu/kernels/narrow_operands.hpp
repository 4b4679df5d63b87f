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

  // Whether f32 results pass through a buffer: what is left after the registers works on f32.
  bool is_buffered() const { return !wide_ && !runs_.is_done(); }
  bool is_done() const { return runs_.is_done(); }

  // Lets the tile finish its sums: `at` is the first element of the result that it writes.
  void set_finish(std::span<const View> inputs, const View& y, std::int64_t at,
                  std::int64_t stride, TileBf16& tile) const {
    const EpilogueRuns::InRegisters& last = runs_.in_registers();
    tile.sums = nullptr;
    tile.low = last.low;
    tile.high = last.high;
    tile.residual_stride = stride;
    tile.out_stride = stride;
    tile.wide = wide_;
    tile.out = y.as<std::byte>() + at * (wide_ ? 4 : 2);
    if (residual_ >= 0) {
      tile.narrow_residual =
          inputs[static_cast<std::size_t>(residual_)].as<const std::uint16_t>() + at;
    }
    if (last.residual >= 0)
      tile.residual = inputs[static_cast<std::size_t>(last.residual)].as<const float>() + at;
  }

  // The rest, for `count` columns from `column` on of a row of the f32 result.
  void apply(std::span<const View> inputs, std::int64_t row, std::int64_t column,
             std::int64_t count, float* values) const {
    runs_.apply(inputs, row, column, count, values);
  }

 private:
  EpilogueRuns runs_;
  std::int64_t residual_ = -1;
  bool wide_ = true;
};

// Vectors of a panel, so that little of the last panel is wasted and a tile has work for its loads.
inline int best_vectors(const TileSetBf16& tiles, std::int64_t columns) {
  int best = 1;
  double best_cost = 0;
  for (int v = 1; v <= tiles.most_vectors; ++v) {
    const std::int64_t panel = std::int64_t{v} * tiles.lanes;
    const auto panels = static_cast<double>((columns + panel - 1) / panel);
    const double rows = tiles.rows[v];
    const double cost = panels * (v * rows + 0.3 * (v + rows)) / rows;
    if (v == 1 || cost < best_cost) {
      best = v;
      best_cost = cost;
    }
  }
  return best;
}

// Weights of a product in the order in which tiles read them: [panel][taps][(depth + 1) / 2]
// [panel columns][2], zeros beyond the last column and element. weight(column, tap, element) is one
// of the first `columns`.
template <class Weight>
void pack_bf16(std::int64_t columns, std::int64_t panel, std::int64_t taps, std::int64_t depth,
               std::uint16_t* to, const Weight& weight) {
  const std::int64_t pairs = (depth + 1) / 2;
  const std::int64_t panels = (columns + panel - 1) / panel;
  parallel_for(panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      std::uint16_t* at = to + p * taps * pairs * panel * 2;
      std::fill_n(at, taps * pairs * panel * 2, std::uint16_t{0});
      const std::int64_t count = std::min(panel, columns - p * panel);
      for (std::int64_t t = 0; t < taps; ++t) {
        for (std::int64_t d = 0; d < depth; ++d) {
          std::uint16_t* pair = at + (t * pairs + d / 2) * panel * 2 + d % 2;
          for (std::int64_t m = 0; m < count; ++m) pair[m * 2] = weight(p * panel + m, t, d);
        }
      }
    }
  });
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/simd/tile_f32.hpp"

#include <cmath>

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/tile_f32.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

namespace strop::cpu {

const TileSetF32& tile_set_f32() { return STROP_FOR_THIS_CPU(kTileSetF32); }

int panel_vectors(const TileSetF32& tiles, std::int64_t columns) {
  int best = 1;
  double best_cost = 0;
  for (int v = 1; v <= tiles.most_vectors; ++v) {
    const double panels =
        std::ceil(static_cast<double>(columns) / static_cast<double>(v * tiles.lanes));
    const double rows = tiles.rows[v];
    const double cost = panels * (v * rows + 0.3 * (v + rows)) / rows;
    if (v == 1 || cost < best_cost) {
      best = v;
      best_cost = cost;
    }
  }
  return best;
}

}  // namespace strop::cpu

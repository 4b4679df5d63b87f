// SPDX-License-Identifier: Apache-2.0
// How wide panels of packed weights are, in vectors, for any of the tile sets (simd/tile_*.hpp).
#pragma once

#include <cstdint>

namespace strop::cpu {

// So that little of the last panel is wasted and a tile has work for its loads.
template <class TileSet>
int panel_vectors(const TileSet& tiles, std::int64_t columns) {
  int best = 1;
  double best_cost = 0;
  for (int v = 1; v <= tiles.most_vectors; ++v) {
    const std::int64_t panel = std::int64_t{v} * tiles.lanes;
    const auto panels = static_cast<double>((columns + panel - 1) / panel);
    const double rows = tiles.rows[v];
    const double cost = panels * (v * rows + 0.3 * (v + rows)) / rows;
    if (v > 1 && cost >= best_cost) continue;
    best = v;
    best_cost = cost;
  }
  return best;
}

// Of a depthwise convolution, at most `most`: the widest that wastes least of the last panel.
inline int channel_panel_vectors(int lanes, int most, std::int64_t columns) {
  const auto computed = [&](int v) {
    const std::int64_t panel = std::int64_t{v} * lanes;
    return (columns + panel - 1) / panel * panel;
  };
  int best = most;
  for (int v = most - 1; v >= 1; --v) {
    if (computed(v) < computed(best)) best = v;
  }
  return best;
}

}  // namespace strop::cpu

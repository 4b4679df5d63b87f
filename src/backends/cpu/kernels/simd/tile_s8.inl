// SPDX-License-Identifier: Apache-2.0
// See tile_s8.hpp. `Sum` and the functions on it are those of the instruction set
// (tile_s8.cpp): Sum load_sums(p), dot(sum, four bytes, weights), and finish.

template <int kRows, int kColumns>
void run_tile_s8(const TileS8& tile) {
  Sum sums[kRows][kColumns];
  for (int v = 0; v < kColumns; ++v) {
    const Sum start = load_sums(tile.start + v * kSumLanes);
    for (int i = 0; i < kRows; ++i) sums[i][v] = start;
  }
  const auto* weights = static_cast<const Weight*>(tile.weights);
  const std::uint32_t flip = tile.flip * 0x01010101u;
  const std::uint8_t* const* rows = tile.rows;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kRows) {
    const std::uint8_t* a[kRows];
    for (int i = 0; i < kRows; ++i) a[i] = rows[i] + tile.row_offset;
    for (std::int64_t q = 0; q < tile.quads; ++q) {
      Factor w[kColumns];
      for (int v = 0; v < kColumns; ++v) w[v] = load_weights(weights + v * kSumLanes * 4);
      for (int i = 0; i < kRows; ++i) {
        std::uint32_t four;
        __builtin_memcpy(&four, a[i] + q * 4, 4);
        const Bytes x = spread(four ^ flip);
        for (int v = 0; v < kColumns; ++v) sums[i][v] = dot(sums[i][v], x, w[v]);
      }
      weights += kColumns * kSumLanes * 4;
    }
  }
  for (int i = 0; i < kRows; ++i) {
    if (i >= tile.row_count) break;
    for (int v = 0; v < kColumns; ++v) {
      const int columns = tile.columns - v * kSumLanes;
      if (columns <= 0) break;
      finish(tile, i, v * kSumLanes, columns < kSumLanes ? columns : kSumLanes, sums[i][v]);
    }
  }
}

template <SumPacking kPacking, int kMost, int kA, int kB, int kC, int kD>
constexpr TileSetS8 make_set() {
  TileSetS8 set;
  set.lanes = kSumLanes;
  set.most_vectors = kMost;
  set.packing = kPacking;
  set.rows[1] = kA;
  set.run[1] = run_tile_s8<kA, 1>;
  set.rows[2] = kB;
  set.run[2] = run_tile_s8<kB, 2>;
  if constexpr (kMost >= 3) {
    set.rows[3] = kC;
    set.run[3] = run_tile_s8<kC, 3>;
  }
  if constexpr (kMost >= 4) {
    set.rows[4] = kD;
    set.run[4] = run_tile_s8<kD, 4>;
  }
  set.channel_rows = kChannelRows;
  set.channel_columns = kChannelColumns;
  set.channel_packing = kChannelPacking;
  set.run_channels = run_channels;
  return set;
}

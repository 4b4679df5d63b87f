// SPDX-License-Identifier: Apache-2.0
// See tile_s8.hpp. `Sum` and the functions on it are those of the instruction set
// (tile_s8.cpp): Sum load_sums(p), dot(sum, four bytes, weights), and finish.

// kRows of a tile of kTileRows.
template <int kRows, int kColumns, int kTileRows>
void run_rows_s8(const TileS8& tile) {
  Sum sums[kRows][kColumns];
  for_each_index<kColumns>([&](auto v) STROP_INLINE {
    const Sum start = load_sums(tile.start + v() * kSumLanes);
    for_each_index<kRows>([&](auto i) STROP_INLINE { sums[i()][v()] = start; });
  });
  const auto* weights = static_cast<const Weight*>(tile.weights);
  const Bytes flip = spread(tile.flip * 0x01010101u);
  const std::uint8_t* const* rows = tile.rows;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kTileRows) {
    const std::uint8_t* a[kRows];
    for_each_index<kRows>([&](auto i) STROP_INLINE { a[i()] = rows[i()] + tile.row_offset; });
    for (std::int64_t q = 0; q < tile.quads; ++q) {
      Factor w[kColumns];
      for_each_index<kColumns>(
          [&](auto v) STROP_INLINE { w[v()] = load_weights(weights + v() * kSumLanes * 4); });
      for_each_index<kRows>([&](auto i) STROP_INLINE {
        std::uint32_t four;
        __builtin_memcpy(&four, a[i()] + q * 4, 4);
        const Bytes x = flipped(spread(four), flip);
        for_each_index<kColumns>(
            [&](auto v) STROP_INLINE { sums[i()][v()] = dot(sums[i()][v()], x, w[v()]); });
      });
      weights += kColumns * kSumLanes * 4;
    }
  }
  if (tile.row_terms != nullptr) {
    for_each_index<kRows>([&](auto i) STROP_INLINE {
      const Sum term = set_sum(tile.row_terms[i()]);
      for_each_index<kColumns>(
          [&](auto v) STROP_INLINE { sums[i()][v()] = add_sums(sums[i()][v()], term); });
    });
  }
  finish_tile<kRows, kColumns>(tile, sums);
}

// The last rows of a product are seldom a whole tile.
template <int kRows, int kColumns>
void run_tile_s8(const TileS8& tile) {
  if constexpr (kRows == 6) {
    if (tile.row_count <= 2) return run_rows_s8<2, kColumns, kRows>(tile);
    if (tile.row_count <= 4) return run_rows_s8<4, kColumns, kRows>(tile);
  } else if constexpr (kRows == 8) {
    if (tile.row_count <= 4) return run_rows_s8<4, kColumns, kRows>(tile);
  }
  run_rows_s8<kRows, kColumns, kRows>(tile);
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
  set.run_bytes = run_bytes;
  set.sum_row = sum_row;
  set.run_line = kRunLine;
  return set;
}

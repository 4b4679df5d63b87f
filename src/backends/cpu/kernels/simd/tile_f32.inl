// SPDX-License-Identifier: Apache-2.0
// See tile_f32.hpp. The loops over rows and vectors have constant bounds and vanish: accumulators
// are registers.

// `whole`: the tile has all of its rows and columns.
template <int kRows, int kColumns, bool whole>
inline void store_tile(const TileF32& tile, const Vec (&sums)[kRows][kColumns]) {
  const Vec low = set(tile.low), high = set(tile.high);
  Vec bias[kColumns];
  for (int v = 0; v < kColumns; ++v) {
    bias[v] = zero();
    if (tile.bias == nullptr) continue;
    const float* from = tile.bias + v * kLanes;
    bias[v] = whole ? load(from) : load_part(from, tile.columns - v * kLanes);
  }
  for (int i = 0; i < kRows; ++i) {
    if (!whole && i >= tile.row_count) break;
    float* out = tile.out + i * tile.out_stride;
    const float* residual =
        tile.residual != nullptr ? tile.residual + i * tile.residual_stride : nullptr;
    for (int v = 0; v < kColumns; ++v) {
      const int columns = tile.columns - v * kLanes;
      if (!whole && columns <= 0) break;
      Vec x = add(sums[i][v], bias[v]);
      if (residual != nullptr) {
        const float* r = residual + v * kLanes;
        x = add(x, whole ? load(r) : load_part(r, columns));
      }
      // The bound first: max(bound, x) is x where x is NaN.
      x = min(high, max(low, x));
      if (whole || columns >= kLanes) {
        store(out + v * kLanes, x);
      } else {
        store_part(out + v * kLanes, x, columns);
      }
    }
  }
}

template <int kRows, int kColumns>
inline void finish_tile(const TileF32& tile, const Vec (&sums)[kRows][kColumns]) {
  if (tile.row_count >= kRows && tile.columns >= kColumns * kLanes) {
    store_tile<kRows, kColumns, true>(tile, sums);
  } else {
    store_tile<kRows, kColumns, false>(tile, sums);
  }
}

template <int kRows, int kColumns>
void run_tile(const TileF32& tile) {
  Vec sums[kRows][kColumns];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kColumns; ++v) sums[i][v] = zero();
  }
  const float* weights = tile.weights;
  const float* const* rows = tile.rows;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kRows) {
    const float* a[kRows];
    for (int i = 0; i < kRows; ++i) a[i] = rows[i] + tile.row_offset;
    for (std::int64_t k = 0; k < tile.depth; ++k) {
      Vec w[kColumns];
      for (int v = 0; v < kColumns; ++v) w[v] = load(weights + v * kLanes);
      for (int i = 0; i < kRows; ++i) {
        const Vec x = set(a[i][k]);
        for (int v = 0; v < kColumns; ++v) sums[i][v] = fma(x, w[v], sums[i][v]);
      }
      weights += kColumns * kLanes;
    }
  }
  if (tile.accumulate) {
    for (int i = 0; i < kRows; ++i) {
      if (i >= tile.row_count) break;
      for (int v = 0; v < kColumns; ++v) {
        const int columns = tile.columns - v * kLanes;
        if (columns <= 0) break;
        const float* out = tile.out + i * tile.out_stride + v * kLanes;
        sums[i][v] = add(sums[i][v], columns >= kLanes ? load(out) : load_part(out, columns));
      }
    }
  }
  finish_tile<kRows, kColumns>(tile, sums);
}

// `whole`: the panel has all of its columns, so that nothing beyond a row is read.
template <int kRows, int kColumns, bool whole>
inline void sum_channels(const TileF32& tile) {
  Vec sums[kRows][kColumns];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kColumns; ++v) sums[i][v] = zero();
  }
  const float* weights = tile.weights;
  const float* const* rows = tile.rows;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kRows, weights += kColumns * kLanes) {
    for (int v = 0; v < kColumns; ++v) {
      const int columns = tile.columns - v * kLanes;
      if (!whole && columns <= 0) break;
      const Vec w = load(weights + v * kLanes);
      for (int i = 0; i < kRows; ++i) {
        const float* x = rows[i] + tile.row_offset + v * kLanes;
        sums[i][v] = fma(whole ? load(x) : load_part(x, columns), w, sums[i][v]);
      }
    }
  }
  finish_tile<kRows, kColumns>(tile, sums);
}

template <int kRows, int kColumns>
void run_channels(const TileF32& tile) {
  if (tile.columns >= kColumns * kLanes) {
    sum_channels<kRows, kColumns, true>(tile);
  } else {
    sum_channels<kRows, kColumns, false>(tile);
  }
}

// As many accumulators as leave room for one row of weights and one broadcast.
constexpr int kRowsOf[kMostTileVectors + 1] = {0, 8, kVectors == 32 ? 8 : 6, kVectors == 32 ? 8 : 4,
                                               kVectors == 32 ? 6 : 0};
// Of channel tiles, which load their rows as vectors.
constexpr int kChannelRowsOf[kMostTileVectors + 1] = {0, kVectors == 32 ? 8 : 6,
                                                      kVectors == 32 ? 8 : 4, 4,
                                                      kVectors == 32 ? 4 : 0};

inline constexpr TileSetF32 kTileSetF32 = {
    kLanes,
    kVectors == 32 ? 4 : 3,
    {0, kRowsOf[1], kRowsOf[2], kRowsOf[3], kRowsOf[4]},
    {nullptr, run_tile<kRowsOf[1], 1>, run_tile<kRowsOf[2], 2>, run_tile<kRowsOf[3], 3>,
     kVectors == 32 ? run_tile<6, 4> : nullptr},
    {nullptr, run_tile<1, 1>, run_tile<1, 2>, run_tile<1, 3>,
     kVectors == 32 ? run_tile<1, 4> : nullptr},
    kVectors == 32 ? 4 : 2,
    {0, kChannelRowsOf[1], kChannelRowsOf[2], kChannelRowsOf[3], kChannelRowsOf[4]},
    {nullptr, run_channels<kChannelRowsOf[1], 1>, run_channels<kChannelRowsOf[2], 2>,
     kVectors == 32 ? run_channels<4, 3> : nullptr, kVectors == 32 ? run_channels<4, 4> : nullptr}};

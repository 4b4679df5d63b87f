// SPDX-License-Identifier: Apache-2.0
// See tile_bf16.hpp. What differs between instruction sets is in bf16_words.inl and, with products
// of pairs, in tile_bf16.cpp: Pairs spread(two elements), dot(sum, pairs, weights), load_narrow and
// store_narrow.

// `whole`: the tile has all of its rows and columns.
template <int kRows, int kColumns, bool whole, bool wide>
inline void store_tile_bf16(const TileBf16& tile, const Vec (&sums)[kRows][kColumns]) {
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
    for (int v = 0; v < kColumns; ++v) {
      const int left = tile.columns - v * kLanes;
      if (!whole && left <= 0) break;
      const int columns = whole || left > kLanes ? kLanes : left;
      Vec x = add(sums[i][v], bias[v]);
      const std::int64_t at = i * tile.residual_stride + v * kLanes;
      if (tile.narrow_residual != nullptr)
        x = add(x, load_narrow(tile.narrow_residual + at, columns));
      if (tile.residual != nullptr)
        x = add(x, whole ? load(tile.residual + at) : load_part(tile.residual + at, columns));
      // The bound first: max(bound, x) is x where x is NaN.
      x = min(high, max(low, x));
      const std::int64_t to = i * tile.out_stride + v * kLanes;
      if (!wide) {
        store_narrow(static_cast<std::uint16_t*>(tile.out) + to, x, columns);
      } else if (whole) {
        store(static_cast<float*>(tile.out) + to, x);
      } else {
        store_part(static_cast<float*>(tile.out) + to, x, columns);
      }
    }
  }
}

template <int kRows, int kColumns>
inline void finish_tile_bf16(const TileBf16& tile, const Vec (&sums)[kRows][kColumns]) {
  if (tile.sums != nullptr) {
    for (int i = 0; i < kRows; ++i) {
      for (int v = 0; v < kColumns; ++v)
        store(tile.sums + (i * kColumns + v) * kLanes, sums[i][v]);
    }
    return;
  }
  const bool whole = tile.row_count >= kRows && tile.columns >= kColumns * kLanes;
  if (tile.wide) {
    whole ? store_tile_bf16<kRows, kColumns, true, true>(tile, sums)
          : store_tile_bf16<kRows, kColumns, false, true>(tile, sums);
  } else {
    whole ? store_tile_bf16<kRows, kColumns, true, false>(tile, sums)
          : store_tile_bf16<kRows, kColumns, false, false>(tile, sums);
  }
}

template <int kRows, int kColumns>
void run_tile_bf16(const TileBf16& tile) {
  Vec sums[kRows][kColumns];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kColumns; ++v)
      sums[i][v] =
          tile.begin != nullptr ? load(tile.begin + (i * kColumns + v) * kLanes) : zero();
  }
  const std::uint16_t* weights = tile.weights;
  const std::uint16_t* const* rows = tile.rows;
  const std::int64_t pairs = tile.depth / 2;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kRows) {
    const std::uint16_t* a[kRows];
    for (int i = 0; i < kRows; ++i) a[i] = rows[i] + tile.row_offset;
    for (std::int64_t p = 0; p < pairs; ++p) {
      Factor w[kColumns];
      for (int v = 0; v < kColumns; ++v) w[v] = load_factor(weights + v * kLanes * 2);
      for (int i = 0; i < kRows; ++i) {
        std::uint32_t two;
        __builtin_memcpy(&two, a[i] + p * 2, 4);
        const Pairs x = spread(two);
        for (int v = 0; v < kColumns; ++v) sums[i][v] = dot(sums[i][v], x, w[v]);
      }
      weights += kColumns * kLanes * 2;
    }
    if (tile.depth % 2 == 0) continue;
    for (int i = 0; i < kRows; ++i) {
      const Pairs x = spread(a[i][tile.depth - 1]);
      for (int v = 0; v < kColumns; ++v)
        sums[i][v] = dot(sums[i][v], x, load_factor(weights + v * kLanes * 2));
    }
    weights += kColumns * kLanes * 2;
  }
  finish_tile_bf16<kRows, kColumns>(tile, sums);
}

// `whole`: the panel has all of its columns.
template <int kRows, int kColumns, bool whole>
inline void sum_channels_bf16(const TileBf16& tile, const float* weights) {
  Vec sums[kRows][kColumns];
  for (int i = 0; i < kRows; ++i) {
    for (int v = 0; v < kColumns; ++v) sums[i][v] = zero();
  }
  const std::uint16_t* const* rows = tile.rows;
  for (std::int64_t t = 0; t < tile.taps; ++t, rows += kRows, weights += kColumns * kLanes) {
    for (int v = 0; v < kColumns; ++v) {
      const int left = tile.columns - v * kLanes;
      if (!whole && left <= 0) break;
      const int columns = whole || left > kLanes ? kLanes : left;
      const Vec w = load(weights + v * kLanes);
      for (int i = 0; i < kRows; ++i) {
        const std::uint16_t* x = rows[i] + tile.row_offset + v * kLanes;
        sums[i][v] = fma(load_narrow(x, columns), w, sums[i][v]);
      }
    }
  }
  finish_tile_bf16<kRows, kColumns>(tile, sums);
}

template <int kRows, int kColumns>
void run_channels_bf16(const TileBf16& tile, const float* weights) {
  if (tile.columns >= kColumns * kLanes) {
    sum_channels_bf16<kRows, kColumns, true>(tile, weights);
  } else {
    sum_channels_bf16<kRows, kColumns, false>(tile, weights);
  }
}

inline void narrow_bf16(std::uint16_t* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_narrow(to + i, load(from + i), kLanes);
  const auto left = static_cast<int>(n - i);
  if (left > 0) store_narrow(to + i, load_part(from + i, left), left);
}

inline void widen_bf16(float* to, const std::uint16_t* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load_narrow(from + i, kLanes));
  const auto left = static_cast<int>(n - i);
  if (left > 0) store_part(to + i, load_narrow(from + i, left), left);
}

// As many accumulators as leave room for one row of weights and one pair of A.
constexpr bool kManyBf16 = kVectors == 32;
constexpr int kChannelRowsBf16[kMostTileVectors + 1] = {0, kManyBf16 ? 8 : 6, kManyBf16 ? 8 : 4,
                                                        kManyBf16 ? 4 : 0, kManyBf16 ? 4 : 0};

inline constexpr TileSetBf16 kTileSetBf16 = {
    kLanes,
    kManyBf16 ? 4 : 2,
    {0, kManyBf16 ? 8 : 6, kManyBf16 ? 8 : 4, kManyBf16 ? 8 : 0, kManyBf16 ? 6 : 0},
    {nullptr, run_tile_bf16<kManyBf16 ? 8 : 6, 1>, run_tile_bf16<kManyBf16 ? 8 : 4, 2>,
     kManyBf16 ? run_tile_bf16<8, 3> : nullptr, kManyBf16 ? run_tile_bf16<6, 4> : nullptr},
    {0, kChannelRowsBf16[1], kChannelRowsBf16[2], kChannelRowsBf16[3], kChannelRowsBf16[4]},
    {nullptr, run_channels_bf16<kChannelRowsBf16[1], 1>, run_channels_bf16<kChannelRowsBf16[2], 2>,
     kManyBf16 ? run_channels_bf16<4, 3> : nullptr, kManyBf16 ? run_channels_bf16<4, 4> : nullptr},
    narrow_bf16,
    widen_bf16};

// SPDX-License-Identifier: Apache-2.0
// The innermost product of bf16 convolutions and matrix products: a few rows of A times a panel of
// packed weights, both bf16, accumulated in f32 registers, with bias, residual and clamp applied
// before the tile is stored as bf16 or f32. Rows are lists of runs (see tile_f32.hpp). Nothing
// beyond a run's end is read.
//
// With products of bf16 pairs (avx512_bf16) subnormal numbers count as 0; elsewhere operands are
// widened.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/simd/tile_f32.hpp"

namespace strop::cpu {

struct TileBf16 {
  // Run t of row i begins at rows[t * tile_rows + i] + row_offset; rows beyond row_count point
  // anywhere that may be read.
  const std::uint16_t* const* rows = nullptr;
  std::int64_t row_offset = 0;
  std::int64_t taps = 1;
  std::int64_t depth = 0;                  // elements summed of each run
  const std::uint16_t* weights = nullptr;  // [taps][(depth + 1) / 2][panel columns][2]
  int row_count = 0;                       // at most the tile's rows
  int columns = 0;                         // at most the panel's columns
  // Sums of a product that is cut into slices: [tile rows][panel columns], padding included.
  const float* begin = nullptr;  // what to begin with; null: zeros
  float* sums = nullptr;         // where the sums go as they are; null: to `out`, finished
  void* out = nullptr;           // [row_count][columns], f32 or bf16
  std::int64_t out_stride = 0;   // elements from row to row
  bool wide = false;             // out is f32
  const float* bias = nullptr;   // [columns], added to the finished sum. Null: none
  // [row_count][columns], added after the bias in this order. Null: none
  const std::uint16_t* narrow_residual = nullptr;
  const float* residual = nullptr;
  std::int64_t residual_stride = 0;                     // of either
  float low = -std::numeric_limits<float>::infinity();  // clamp, last; NaN stays NaN
  float high = std::numeric_limits<float>::infinity();
};

// The tiles of one instruction set, and its conversions.
struct TileSetBf16 {
  int lanes = 0;         // sums of a vector
  int most_vectors = 0;  // of a panel
  int rows[kMostTileVectors + 1] = {};
  void (*run[kMostTileVectors + 1])(const TileBf16&) = {};
  // Each column times the same column of the rows, from row_offset on: a depthwise convolution,
  // `depth` 1, in one slice. Weights are f32 here, [taps][panel columns].
  int channel_rows[kMostTileVectors + 1] = {};
  void (*run_channels[kMostTileVectors + 1])(const TileBf16&, const float* weights) = {};
  void (*narrow)(std::uint16_t* to, const float* from, std::int64_t n) = nullptr;
  void (*widen)(float* to, const std::uint16_t* from, std::int64_t n) = nullptr;
};

// Of this processor (isa.hpp).
const TileSetBf16& tile_set_bf16();

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// The innermost product of convolutions and matrix products: a few rows of A times a panel of
// packed weights, accumulated in registers, with bias, residual and clamp applied before the tile
// is stored. A row of A is a list of runs of contiguous floats (the taps of a convolution's window,
// one run of a matrix), so that no image is ever unrolled into a matrix.
#pragma once

#include <cstdint>
#include <limits>

namespace strop::cpu {

inline constexpr int kMostTileRows = 8;
inline constexpr int kMostTileVectors = 4;

struct TileF32 {
  // Tap t of row i begins at rows[t * tile_rows + i] + row_offset; rows beyond row_count point
  // anywhere that may be read.
  const float* const* rows = nullptr;
  std::int64_t row_offset = 0;
  std::int64_t taps = 1;
  std::int64_t depth = 0;           // floats summed of each tap
  const float* weights = nullptr;   // [taps * depth][panel columns]
  float* out = nullptr;             // [row_count][columns]
  std::int64_t out_stride = 0;      // floats from row to row
  int row_count = 0;                // at most the tile's rows
  int columns = 0;                  // at most the panel's columns
  bool accumulate = false;          // begin from what `out` holds
  const float* bias = nullptr;      // [columns], added to the finished sum. Null: none
  const float* residual = nullptr;  // [row_count][columns], added after the bias. Null: none
  std::int64_t residual_stride = 0;
  float low = -std::numeric_limits<float>::infinity();  // clamp, last; NaN stays NaN
  float high = std::numeric_limits<float>::infinity();
};

// The tiles of one instruction set: rows and columns of a tile for each number of vectors.
struct TileSetF32 {
  int lanes = 0;         // floats of a vector
  int most_vectors = 0;  // of a panel
  int rows[kMostTileVectors + 1] = {};
  void (*run[kMostTileVectors + 1])(const TileF32&) = {};
  // The same of one row, with one pointer per tap: the same sums without the work of the others.
  void (*run_row[kMostTileVectors + 1])(const TileF32&) = {};
  // Each column times the same column of the rows, from row_offset on: a depthwise convolution.
  // `depth` is 1.
  int most_channel_vectors = 0;
  int channel_rows[kMostTileVectors + 1] = {};
  void (*run_channels[kMostTileVectors + 1])(const TileF32&) = {};
};

// Of this processor (isa.hpp).
const TileSetF32& tile_set_f32();

}  // namespace strop::cpu

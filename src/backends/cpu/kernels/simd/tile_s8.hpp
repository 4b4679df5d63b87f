// SPDX-License-Identifier: Apache-2.0
// The innermost product of integer convolutions and matrix products: rows of unsigned bytes times a
// panel of packed signed bytes, summed exactly in int32, requantised before the tile is stored by
// the arithmetic of ops/requantize.hpp. Every instruction set gives the same bytes.
//
// A row is a list of runs (see tile_f32.hpp). Runs are read four bytes at a time: up to three bytes
// beyond a run's end are read, and multiplied by zero weights.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/simd/tile_f32.hpp"

namespace strop::cpu {

struct TileS8 {
  // Run t of row i begins at rows[t * tile_rows + i] + row_offset; rows beyond row_count point
  // anywhere that may be read.
  const std::uint8_t* const* rows = nullptr;
  std::int64_t row_offset = 0;
  std::int64_t taps = 1;
  std::int64_t quads = 0;  // groups of four bytes of each run
  std::uint8_t flip = 0;   // combined with every byte by exclusive or: 0x80 for signed rows
  // [taps * quads][vectors of a panel][columns of a vector x 4], as the set's packing says.
  const void* weights = nullptr;
  const std::int32_t* start = nullptr;  // [panel columns]: what the sums begin with

  int row_count = 0;
  int columns = 0;
  std::int32_t* sums = nullptr;  // where the sums themselves go, [row_count][columns]; or null:
  std::int64_t sums_stride = 0;
  // the requantised bytes go here.
  std::uint8_t* out = nullptr;
  std::int64_t out_stride = 0;
  const float* multiplier = nullptr;       // [columns]
  const float* offset = nullptr;           // [columns]
  const std::uint8_t* residual = nullptr;  // [row_count][columns]; null: none
  std::int64_t residual_stride = 0;
  std::uint8_t residual_flip = 0;  // 0x80 for signed residuals
  std::int32_t residual_zero = 0;  // of the flipped, unsigned residual
  float residual_multiplier = 0;
  float range = 0;  // high - low
  std::int32_t low = 0;
};

// A depthwise convolution multiplies each column by the same column of the rows, from row_offset
// on: `quads` is groups of four taps, the last one filled up with zero weights, which are read from
// the last tap. No column beyond `columns` is read.
//
// Where the four weights of a column lie within a vector's block of lanes * 4.
enum class SumPacking : std::uint8_t {
  bytes,       // i8 [column][4]
  words,       // i16 [column][4]
  word_pairs,  // i16 [2][column][2]
  lanes,       // i8, for 64 channels: [4][16 columns][4], columns as unpacking bytes leaves them
};

struct TileSetS8 {
  int lanes = 0;         // int32 sums of a vector
  int most_vectors = 0;  // of a panel
  SumPacking packing = SumPacking::bytes;
  int rows[kMostTileVectors + 1] = {};
  void (*run[kMostTileVectors + 1])(const TileS8&) = {};
  int channel_rows = 0;
  int channel_columns = 0;
  SumPacking channel_packing = SumPacking::words;
  void (*run_channels)(const TileS8&) = nullptr;
};

// Of this processor (isa.hpp).
const TileSetS8& tile_set_s8();

}  // namespace strop::cpu

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
  // [tile rows]: added to all sums of a row; null: nothing. For tiles of run[] alone.
  const std::int32_t* row_terms = nullptr;

  int row_count = 0;
  int columns = 0;
  std::int32_t* sums = nullptr;  // where the sums themselves go, [row_count][columns]; or null:
  std::int64_t sums_stride = 0;
  float* floats = nullptr;  // or where the sums go times multiplier, plus offset; or null:
  std::int64_t floats_stride = 0;
  // the requantised bytes go here.
  std::uint8_t* out = nullptr;
  std::int64_t out_stride = 0;
  const float* multiplier = nullptr;       // [panel columns]
  const float* offset = nullptr;           // [panel columns]
  const std::uint8_t* residual = nullptr;  // [row_count][columns]; null: none
  std::int64_t residual_stride = 0;
  std::uint8_t residual_flip = 0;  // 0x80 for signed residuals
  std::int32_t residual_zero = 0;  // of the flipped, unsigned residual
  float residual_multiplier = 0;
  float range = 0;  // high - low
  std::int32_t low = 0;
  // Whether t * range is known to stay within 2^22, so that saturating the integers does for
  // clamping t (see ops/requantize.hpp).
  bool bounded = false;
};

// A depthwise convolution multiplies each column by the same column of the rows, from row_offset
// on: `quads` is groups of four taps, the last one filled up with zero weights, which are read from
// the last tap. No column beyond `columns` is read.
//
inline constexpr int kMostLineRows = 8;

// One line of the result of a depthwise convolution, for a panel of its columns: `tile` has bounded
// bytes without residual as result, whose pixels lie out_stride apart. Weights are packed for four
// taps of a column of the window at a time, those that it lacks being zero.
//
// Where a pixel has less channels than a panel has columns, the panel may be several pixels side by
// side, of weights and factors likewise; the stride is 1 then.
struct LineS8 {
  TileS8 tile;
  const std::uint8_t* rows[kMostLineRows] = {};  // first pixels; null: padding
  int rows_used = 0, groups = 0;                 // of four rows
  std::int64_t width = 0, out_width = 0;
  std::int64_t pixel_bytes = 0;
  std::int64_t kernel_w = 1, stride = 1, dilation = 1, pad_left = 0;
  std::uint8_t padding = 0;
  int channels = 0;         // of a pixel in the panel
  std::int64_t pixels = 1;  // in the panel
};

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
  // The sum of `taps` runs of `depth` bytes, combined with `flip`.
  std::int32_t (*sum_row)(const std::uint8_t* const* runs, std::int64_t stride, std::int64_t taps,
                          std::int64_t depth, std::uint8_t flip) = nullptr;
  void (*run_line)(const LineS8&) = nullptr;  // null: there is none
  // n bytes in a row, combined with `flip` and less `zero`, in place of sums; the tile's residual
  // and result are n bytes too, and its factors are the same for every column.
  void (*run_bytes)(const TileS8&, const std::uint8_t* x, std::int32_t zero,
                    std::int64_t n) = nullptr;
};

// Of this processor (isa.hpp).
const TileSetS8& tile_set_s8();

}  // namespace strop::cpu

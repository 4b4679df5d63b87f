// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd convolutions F(m x m, 3 x 3), m = 2 and 4: a tile of m x m output
// pixels comes from m + 2 by m + 2 input pixels through (m + 2)^2 products of transformed values.
// Vectors run over channels. The points are 0, 1, -1 and infinity, and for m = 4 also 2 and -2.
#pragma once

#include <cstdint>
#include <limits>

namespace strop::cpu {

inline constexpr int kMostWinogradOutputs = 4 * 4;  // pixels of a tile
inline constexpr int kMostWinogradTaps = 6 * 6;     // values of a transformed tile

struct WinogradInput {
  const float* taps[kMostWinogradTaps] = {};  // the input pixels, line by line
  float* out = nullptr;                       // the transformed values, in the same order
  std::int64_t out_stride = 0;                // floats from one to the next
  std::int64_t channels = 0;
};

struct WinogradOutput {
  const float* sums = nullptr;   // of products, in rows that hold whole vectors
  std::int64_t sums_stride = 0;  // floats from one transformed value to the next
  std::int64_t columns = 0;
  float* out[kMostWinogradOutputs] = {};                // null: outside of the image
  const float* residual[kMostWinogradOutputs] = {};     // added after the bias. Null: none
  const float* bias = nullptr;                          // [columns]. Null: none
  float low = -std::numeric_limits<float>::infinity();  // clamp, last; NaN stays NaN
  float high = std::numeric_limits<float>::infinity();
};

struct WinogradSetF32 {
  // Of m = 2 and m = 4.
  void (*input2)(const WinogradInput&) = nullptr;
  void (*input4)(const WinogradInput&) = nullptr;
  void (*output2)(const WinogradOutput&) = nullptr;
  void (*output4)(const WinogradOutput&) = nullptr;
};

// Of this processor (isa.hpp).
const WinogradSetF32& winograd_set_f32();

}  // namespace strop::cpu

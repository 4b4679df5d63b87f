// SPDX-License-Identifier: Apache-2.0
// The step from an exact integer sum to a quantised value. What every backend computes to the bit
// (each operation in FP32 and rounded once, to nearest even):
//
//   t = fma(f32(x - x_zero), multiplier, offset)
//   t = fma(f32(r - residual_zero), residual_multiplier, t)     where there is a residual r
//   t = min(max(t, 0), 1)
//   y = low + n, n the integer in the low bits of fma(t, high - low, 12582912)
//
// so n is t * (high - low) rounded once. multiplier is scale_x / (scale_y * (high - low)), offset
// (bias / scale_y + zero_y - low) / (high - low), both formed in FP64. The bounds are the output
// type's range, narrowed by an activation that only cuts off.
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct RequantizeAttributes {
  std::int64_t x_zero = 0;
  std::int64_t axis = 1;
  double residual_multiplier = 0;
  std::int64_t residual_zero = 0;
  std::int64_t low = -128;
  std::int64_t high = 127;
  DType to = DType::i8;

  static void reflect(auto& field) {
    field("x_zero", &RequantizeAttributes::x_zero, "subtracted from x");
    field("axis", &RequantizeAttributes::axis, "axis of multiplier and offset, unless single");
    field("residual_multiplier", &RequantizeAttributes::residual_multiplier,
          "a float that residual - residual_zero is multiplied by");
    field("residual_zero", &RequantizeAttributes::residual_zero, "subtracted from the residual");
    field("low", &RequantizeAttributes::low, "lowest result");
    field("high", &RequantizeAttributes::high, "highest result, at most 255 above the lowest");
    field("to", &RequantizeAttributes::to, "i8 or u8");
  }
};

// x (i32, i8 or u8), multiplier (f32, one or one per index of axis), offset (likewise), residual
// (i8 or u8, the shape of x) -> y of the shape of x.
const OpDef& op_requantize();

// The last two lines of the formula: n, from t before it is clamped and high - low as a float.
std::int32_t requantize_step(float t, float range);

}  // namespace strop

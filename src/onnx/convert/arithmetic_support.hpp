// SPDX-License-Identifier: Apache-2.0
// Types and shapes of intermediate values in operators that are arithmetic.
#pragma once

#include "onnx/convert/emit_support.hpp"

namespace strop::onnx {

// Where sums and statistics of elements of that type are kept.
inline DType wide_type(DType dtype) { return dtype == DType::f64 ? DType::f64 : DType::f32; }

// A tensor of one element without its axes.
inline ValueId without_axes(ConvertContext& c, ValueId x) {
  return c.type(x).rank() == 0 ? x : reshaped(c, x, {});
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct DequantizeLinearAttributes {
  DType to = DType::f32;  // of the result
  std::int64_t axis = 1;
  std::int64_t block_size = 0;  // 0: per tensor or per index of axis, as scale's shape says

  static void reflect(auto& field) {
    field("to", &DequantizeLinearAttributes::to, "element type of the result");
    field("axis", &DequantizeLinearAttributes::axis, "axis along which scales differ");
    field("block_size", &DequantizeLinearAttributes::block_size,
          "indices of axis that share a scale");
  }
};

// x, scale, zero_point (optional).
const OpDef& op_dequantize_linear();

}  // namespace strop

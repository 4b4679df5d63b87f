// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct QuantizeLinearAttributes {
  DType to = DType::u8;  // of the result, and of the zero point if there is one
  std::int64_t axis = 1;
  std::int64_t block_size = 0;  // 0: per tensor or per index of axis, as scale's shape says
  bool saturate = true;         // into FP8
  DType precision = DType::f32;

  static void reflect(auto& field) {
    field("to", &QuantizeLinearAttributes::to, "element type of the result");
    field("axis", &QuantizeLinearAttributes::axis, "axis along which scales differ");
    field("block_size", &QuantizeLinearAttributes::block_size,
          "indices of axis that share a scale");
    field("saturate", &QuantizeLinearAttributes::saturate,
          "into FP8: what is out of range becomes the largest finite value");
    field("precision", &QuantizeLinearAttributes::precision,
          "f16 or bf16: x and scale are rounded to it, and their quotient too");
  }
};

// x, scale, zero_point (optional).
const OpDef& op_quantize_linear();

}  // namespace strop

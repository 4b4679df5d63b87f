// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct EyeAttributes {
  DType dtype = DType::f32;
  std::int64_t diagonal = 0;

  static void reflect(auto& field) {
    field("dtype", &EyeAttributes::dtype, "element type of y");
    field("diagonal", &EyeAttributes::diagonal, "ones are at [i, i + diagonal]");
  }
};

// shape (i64, two elements).
const OpDef& op_eye();

}  // namespace strop

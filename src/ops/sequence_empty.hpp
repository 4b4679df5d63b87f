// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/dtype.hpp"

#include "ir/op_def.hpp"

namespace strop {

struct SequenceEmptyAttributes {
  DType dtype = DType::f32;

  static void reflect(auto& field) {
    field("dtype", &SequenceEmptyAttributes::dtype, "element type of the tensors it may hold");
  }
};

const OpDef& op_sequence_empty();

}  // namespace strop

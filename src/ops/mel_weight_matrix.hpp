// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct MelWeightMatrixAttributes {
  DType to = DType::f32;

  static void reflect(auto& field) {
    field("to", &MelWeightMatrixAttributes::to, "element type of y");
  }
};

const OpDef& op_mel_weight_matrix();

}  // namespace strop

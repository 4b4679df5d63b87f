// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct BitCastAttributes {
  DType to = DType::undefined;

  static void reflect(auto& field) {
    field("to", &BitCastAttributes::to, "element type of y, as wide as that of x");
  }
};

const OpDef& op_bit_cast();

}  // namespace strop

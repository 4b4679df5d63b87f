// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct UnpackBitsAttributes {
  DType to = DType::u4;

  static void reflect(auto& field) {
    field("to", &UnpackBitsAttributes::to, "element type of the result: 8, 4 or 2 bits");
  }
};

// x [..., n] → y [..., n * 8 / bits].
const OpDef& op_unpack_bits();

}  // namespace strop

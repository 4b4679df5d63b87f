// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ir/op_def.hpp"

namespace strop {

struct EinsumAttributes {
  std::string equation{};

  static void reflect(auto& field) {
    field("equation", &EinsumAttributes::equation,
          "letters for the axes of each operand, and after -> of the result: \"bij,bjk->bik\"");
  }
};

// operands... → y.
const OpDef& op_einsum();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "ir/op_def.hpp"

namespace strop {

struct TransposeAttributes {
  std::vector<std::int64_t> perm{};  // axis i of y is axis perm[i] of x; empty: reversed

  static void reflect(auto& field) {
    field("perm", &TransposeAttributes::perm,
          "axis i of y is axis perm[i] of x; empty: all axes in reverse");
  }
};

const OpDef& op_transpose();

}  // namespace strop

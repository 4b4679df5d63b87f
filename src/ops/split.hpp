// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct SplitAttributes {
  std::int64_t axis = 0;

  static void reflect(auto& field) {
    field("axis", &SplitAttributes::axis, "axis along which x is cut");
  }
};

const OpDef& op_split();

}  // namespace strop

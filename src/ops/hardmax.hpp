// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct HardmaxAttributes {
  std::int64_t axis = -1;  // normalised to [0, rank) at import

  static void reflect(auto& field) {
    field("axis", &HardmaxAttributes::axis, "axis along which the largest element becomes one");
  }
};

const OpDef& op_hardmax();

}  // namespace strop

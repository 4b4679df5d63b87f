// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct GatherElementsAttributes {
  std::int64_t axis = 0;

  static void reflect(auto& field) {
    field("axis", &GatherElementsAttributes::axis, "axis of x that the indices count along");
  }
};

const OpDef& op_gather_elements();

}  // namespace strop

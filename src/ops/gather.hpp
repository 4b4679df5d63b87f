// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct GatherAttributes {
  std::int64_t axis = 0;

  static void reflect(auto& field) {
    field("axis", &GatherAttributes::axis, "axis of x that the indices count along");
  }
};

const OpDef& op_gather();

}  // namespace strop

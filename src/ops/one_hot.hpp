// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct OneHotAttributes {
  std::int64_t axis = -1;
  bool from_end = true;

  static void reflect(auto& field) {
    field("axis", &OneHotAttributes::axis, "axis of y that is new");
    field("from_end", &OneHotAttributes::from_end,
          "negative indices count from the end; else they are out of range");
  }
};

// indices, depth (i64, one element), values ([off, on]).
const OpDef& op_one_hot();

}  // namespace strop

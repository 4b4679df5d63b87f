// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct SplitToSequenceAttributes {
  std::int64_t axis = 0;
  bool keep_axis = true;

  static void reflect(auto& field) {
    field("axis", &SplitToSequenceAttributes::axis, "axis along which x is cut");
    field("keep_axis", &SplitToSequenceAttributes::keep_axis,
          "without sizes: the pieces keep the axis, of size 1");
  }
};

const OpDef& op_split_to_sequence();

}  // namespace strop

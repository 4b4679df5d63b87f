// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct ConcatFromSequenceAttributes {
  std::int64_t axis = 0;
  bool new_axis = false;

  static void reflect(auto& field) {
    field("axis", &ConcatFromSequenceAttributes::axis, "axis along which the tensors are joined");
    field("new_axis", &ConcatFromSequenceAttributes::new_axis, "stack along a new axis instead");
  }
};

const OpDef& op_concat_from_sequence();

}  // namespace strop

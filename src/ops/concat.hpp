// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct ConcatAttributes {
  std::int64_t axis = 0;

  static void reflect(auto& field) {
    field("axis", &ConcatAttributes::axis, "axis along which the inputs are joined");
  }
};

const OpDef& op_concat();

}  // namespace strop

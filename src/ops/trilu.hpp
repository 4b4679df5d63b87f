// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct TriluAttributes {
  bool upper = true;

  static void reflect(auto& field) {
    field("upper", &TriluAttributes::upper, "keep what is above the diagonal, else what is below");
  }
};

// x, diagonal (i64, one element, optional: 0).
const OpDef& op_trilu();

}  // namespace strop

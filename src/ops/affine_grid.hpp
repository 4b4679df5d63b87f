// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct AffineGridAttributes {
  bool align_corners = false;

  static void reflect(auto& field) {
    field("align_corners", &AffineGridAttributes::align_corners,
          "-1 and 1 are the centres of the outermost elements, not their outer edges");
  }
};

// theta [N, r, r + 1], size (i64 vector of N, C and r sizes, r 2 or 3) → grid [N, sizes..., r].
const OpDef& op_affine_grid();

}  // namespace strop

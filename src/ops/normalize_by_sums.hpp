// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct NormalizeBySumsAttributes {
  double epsilon = 1e-5;

  static void reflect(auto& field) {
    field("epsilon", &NormalizeBySumsAttributes::epsilon, "added to the variance");
  }
};

// x [..., N], sums f32 [..., blocks, 2] as row_sums makes them, scale and bias [N] (both optional)
// → y like x: layer_norm over the last axis.
const OpDef& op_normalize_by_sums();

}  // namespace strop

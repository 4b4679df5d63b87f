// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct GroupNormAttributes {
  std::int64_t groups = 0;
  double epsilon = 1e-5;

  static void reflect(auto& field) {
    field("groups", &GroupNormAttributes::groups,
          "groups of neighbouring channels that are normalised together; 0: each channel by itself "
          "(instance normalisation)");
    field("epsilon", &GroupNormAttributes::epsilon, "added to the variance");
  }
};

// x [N, C, ...], scale [C], bias [C] (both optional) → y like x.
const OpDef& op_group_norm();

}  // namespace strop

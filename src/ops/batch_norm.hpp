// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct BatchNormAttributes {
  double epsilon = 1e-5;

  static void reflect(auto& field) {
    field("epsilon", &BatchNormAttributes::epsilon, "added to the variance");
  }
};

// x [N, C, ...], scale [C], bias [C], mean [C], variance [C] → y like x.
const OpDef& op_batch_norm();

}  // namespace strop

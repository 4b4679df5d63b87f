// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct LayerNormAttributes {
  std::int64_t axis = -1;  // normalised to [0, rank) at import
  double epsilon = 1e-5;
  bool centred = true;

  static void reflect(auto& field) {
    field("axis", &LayerNormAttributes::axis, "first axis of those that are normalised together");
    field("epsilon", &LayerNormAttributes::epsilon, "added to the variance");
    field("centred", &LayerNormAttributes::centred,
          "subtract the mean; without, the root mean square takes the place of the deviation");
  }
};

// x, scale and bias broadcast to the axes of x from `axis` on (both optional) → y like x; mean and
// inverse_deviation [axes before `axis`, then 1s], f64 for f64, f32 otherwise.
const OpDef& op_layer_norm();

}  // namespace strop

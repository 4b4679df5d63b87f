// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/recurrent_support.hpp"

namespace strop {

struct GruAttributes : RecurrentAttributes {
  bool linear_before_reset = false;

  static void reflect(auto& field) {
    reflect_shared<GruAttributes>(field);
    field("linear_before_reset", &GruAttributes::linear_before_reset,
          "the reset gate scales h r + bias instead of h alone");
  }
};

// x [steps, batch, inputs], w [directions, 3 hidden, inputs], r [directions, 3 hidden, hidden],
// bias [directions, 6 hidden]?, lengths i32 [batch]?, initial_h [directions, batch, hidden]? →
// y [steps, directions, batch, hidden], y_h [directions, batch, hidden]. Gates: update z, reset r,
// candidate.
const OpDef& op_gru();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/recurrent_support.hpp"

namespace strop {

struct RnnAttributes : RecurrentAttributes {
  static void reflect(auto& field) { reflect_shared<RnnAttributes>(field); }
};

// x [steps, batch, inputs], w [directions, hidden, inputs], r [directions, hidden, hidden],
// bias [directions, 2 hidden]?, lengths i32 [batch]?, initial_h [directions, batch, hidden]? →
// y [steps, directions, batch, hidden], y_h [directions, batch, hidden].
const OpDef& op_rnn();

}  // namespace strop

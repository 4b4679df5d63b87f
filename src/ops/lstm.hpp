// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/recurrent_support.hpp"

namespace strop {

struct LstmAttributes : RecurrentAttributes {
  bool input_forget = false;

  static void reflect(auto& field) {
    reflect_shared<LstmAttributes>(field);
    field("input_forget", &LstmAttributes::input_forget,
          "the forget gate is 1 less the input gate");
  }
};

// x [steps, batch, inputs], w [directions, 4 hidden, inputs], r [directions, 4 hidden, hidden],
// bias [directions, 8 hidden]?, lengths i32 [batch]?, initial_h and initial_c [directions, batch,
// hidden]?, peephole [directions, 3 hidden]? → y [steps, directions, batch, hidden], y_h and y_c
// [directions, batch, hidden]. Gates: input i, output o, forget f, candidate.
const OpDef& op_lstm();

}  // namespace strop

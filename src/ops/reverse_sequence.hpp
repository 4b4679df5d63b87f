// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct ReverseSequenceAttributes {
  std::int64_t batch_axis = 1;
  std::int64_t time_axis = 0;

  static void reflect(auto& field) {
    field("batch_axis", &ReverseSequenceAttributes::batch_axis, "0 or 1: counts the sequences");
    field("time_axis", &ReverseSequenceAttributes::time_axis, "the other of 0 and 1");
  }
};

// x, lengths (one for each sequence).
const OpDef& op_reverse_sequence();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct SequenceMapAttributes {
  std::int64_t mapped = 1;

  static void reflect(auto& field) {
    field("mapped", &SequenceMapAttributes::mapped,
          "inputs of which the body gets one element where they are sequences; the inputs after "
          "them are captures");
  }
};

// Inputs: mapped..., captures...; the first one is a sequence, others may be tensors.
// Body: (an element of each sequence or the tensor itself..., captures...) -> (values...).
// Outputs: for each value the sequence of what the body gave for element 0, 1, 2, ...
const OpDef& op_sequence_map();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/graph.hpp"
#include "ir/op_def.hpp"

namespace strop {

struct LoopAttributes {
  std::int64_t carried = 0;

  static void reflect(auto& field) {
    field("carried", &LoopAttributes::carried,
          "values that each iteration hands to the next; the inputs after them are captures");
  }
};

// Inputs: trip count?, condition?, carried..., captures...
// Body: (iteration i64[], condition bool[], carried..., captures...) -> (condition, carried...,
// scan outputs...). Outputs: carried after the last iteration, and each scan output of all
// iterations stacked along a new first axis.
const OpDef& op_loop();

// Whether the condition that the body returns is true whatever happens.
bool never_stops(const Graph& body);

}  // namespace strop

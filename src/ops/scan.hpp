// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "ir/op_def.hpp"

namespace strop {

struct ScanAttributes {
  std::int64_t states = 0;
  std::vector<std::int64_t> axes{};
  std::vector<std::int64_t> reverse{};

  static void reflect(auto& field) {
    field("states", &ScanAttributes::states, "values that each iteration hands to the next");
    field("axes", &ScanAttributes::axes,
          "for each scanned input the axis that it is scanned along; the inputs after them are "
          "captures");
    field("reverse", &ScanAttributes::reverse,
          "for each scanned input 1 where it is scanned from its end; empty: none is");
  }
};

// Inputs: length?, states..., scanned..., captures...
// Body: (states..., slices of scanned without the axis..., captures...) -> (states..., values...).
// Outputs: states after the last iteration, and the values of all iterations stacked along a new
// first axis. There are as many iterations as the scanned inputs are long, or `length`; then the
// first `length` slices are scanned, and zeros fill up what is stacked.
const OpDef& op_scan();

}  // namespace strop

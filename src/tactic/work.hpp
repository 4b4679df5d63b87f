// SPDX-License-Identifier: Apache-2.0
// How much a node has to do at given sizes: what costs are estimated from where nothing is timed.
#pragma once

#include "ir/graph.hpp"

namespace strop {

struct Work {
  double multiply_adds = 0;  // of convolutions, matrix products, recurrent nets; 0 for the rest
  double bytes = 0;          // read and written, each tensor once
};

// Sizes that `sample` does not determine count as 0 (multiply-adds) or as one element (bytes).
Work work_of(const Graph& graph, const Node& node, const SymbolValues& sample);

// Bytes of a tensor of this type; sizes that are not determined count as 1.
double bytes_of(const Type& type, const SymbolValues& sample);

}  // namespace strop

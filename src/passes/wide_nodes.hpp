// SPDX-License-Identifier: Apache-2.0
// Which nodes of a graph have to compute in f32 when its values are stored in a half type, and why.
// The answer is the same for a graph that was rewritten accordingly.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "passes/target.hpp"

namespace strop {

// Of f16 or bf16.
struct HalfLimits {
  double largest = 0;      // finite
  double tiniest = 0;      // smallest number of full precision
  double comfortable = 0;  // largest magnitude on sample inputs that is stored; a fourth of
                           // `largest`, because other inputs give other values
  double mask = 0;  // what hides a score: half the lowest number, so that a score may be added
};
HalfLimits limits_of(DType half);

struct WideNodes {
  std::map<NodeId, std::string> why;  // nodes that stay in f32, with the reason
  // By value: terms of a softmax and nothing else. What is far below zero there hides a score, and
  // how far does not matter.
  std::vector<bool> is_mask;
};

WideNodes find_wide_nodes(const Graph& graph, DType half, const ValueRanges& ranges);

// Whether input i of the node is an f32 tensor that the node may as well take as `half`, as far as
// its operator is concerned. Statistics, positions and what is read on the host stay f32.
bool may_narrow(const Graph& graph, const Node& node, std::size_t i);

// Whether the node has such an input or is a cast to f32: what others have, they have for other
// reasons, or they hold no f32.
bool is_narrowable(const Graph& graph, const Node& node);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Which way each node runs, when the ways want their operands in different layouts: the choice that
// makes the nodes and the reorders between them cheapest together.
//
// Exact assignment is NP-hard in general. Here each node in turn takes what is cheapest given its
// neighbours, then each two neighbours what is cheapest for both, until nothing changes, from three
// starts (every node's own fastest way; everything plain; everything channels_last where it can
// be); the cheapest result wins. Networks are chains with few branches, where this finds the
// optimum or close to it. Deterministic.
//
// Ways that open a library make an engine slow to load, by more than many runs take, and with more
// than one thread its pool and ours get in each other's way, which no timing of a step shows. So
// the whole graph does without them unless it would be slower by more than kLibraryGain.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ir/graph.hpp"
#include "tactic/layout.hpp"

namespace strop {

inline constexpr double kLibraryGain = 0.1;

// One way to run a node.
struct NodeOption {
  double cost = 0;  // nanoseconds
  OperandLayouts layouts;
  bool opens_library = false;
};

struct LayoutProblem {
  const Graph* graph = nullptr;
  std::vector<NodeId> nodes;                     // in topological order
  std::vector<std::vector<NodeOption>> options;  // parallel to nodes; at least one each
  // Nanoseconds that it takes to have the value in another layout; 0 where it costs nothing.
  std::function<double(ValueId)> reorder_cost;
};

// The chosen option of each node.
std::vector<std::size_t> assign_layouts(const LayoutProblem& problem);

}  // namespace strop

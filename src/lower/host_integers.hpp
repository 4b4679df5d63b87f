// SPDX-License-Identifier: Apache-2.0
// Which nodes of an engine for a device work on sizes, counters and the like: small tensors of
// integers that come from shapes and constants alone, or that the host reads (as a new shape, say,
// or as the condition of a loop). The host makes more of them in the time of one copy.
#pragma once

#include <set>

#include "ir/graph.hpp"

namespace strop {

// `is_nested`: the graph is a branch or the body of a loop, whose results the host reads.
std::set<NodeId> host_integers(const Graph& graph, bool is_nested);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

// Replaces each fused node that `is_taken` refuses by the nodes of its body. Returns the names of
// those that were split.
std::vector<std::string> split_fused(
    Graph& graph, const std::function<bool(const Graph&, const Node&)>& is_taken);

}  // namespace strop

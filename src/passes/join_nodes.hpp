// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "passes/pass.hpp"

namespace strop {

// Makes one `fused` node of two, either of which may be fused itself: the second reads the only
// output of the first, which stays for its other readers. References to nodes end with it.
void join_nodes(Graph& graph, const PassContext& context, const Node& first, const Node& second);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// The legality of a graph, as executable statements.
#pragma once

#include "ir/graph.hpp"

namespace strop {

// Throws Error(internal) naming the node or value that breaks a rule: every use has a definition
// before it, the lists of uses and the producers agree with the nodes, arity and nested graphs fit
// the operator, and every type is what inference finds now. Nested graphs are verified too.
void verify(const Graph& graph);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "passes/pass.hpp"

namespace strop {

int rewrite_each(Graph& graph, const OpDef& op, const std::function<bool(const Node&)>& rewrite) {
  const std::vector<NodeId> order = graph.order();
  int rewritten = 0;
  for (const NodeId id : order) {
    if (graph.node(id).is(op) && rewrite(graph.node(id))) ++rewritten;
  }
  return rewritten;
}

}  // namespace strop

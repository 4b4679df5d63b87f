// SPDX-License-Identifier: Apache-2.0
// A fused node means its body, so a fused node that no tactic takes becomes its body's nodes again.
#include "lower/split_fused.hpp"

#include "ops/fused.hpp"

namespace strop {
std::vector<std::string> split_fused(
    Graph& graph, const std::function<bool(const Graph&, const Node&)>& is_taken) {
  std::vector<std::string> names;
  const std::vector<NodeId> order = graph.order();
  for (NodeId id : order) {
    const Node& node = graph.node(id);
    if (!node.is(op_fused()) || is_taken(graph, node)) continue;
    names.push_back(node.name);
    inline_fused(graph, id);
  }
  if (!names.empty()) {
    remove_dead_nodes(graph);
    graph.infer();
  }
  return names;
}

}  // namespace strop

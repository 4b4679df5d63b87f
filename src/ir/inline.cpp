// SPDX-License-Identifier: Apache-2.0
#include "ir/inline.hpp"

namespace strop {

std::vector<ValueId> emit_graph(Emitter& into, const Graph& graph,
                                std::span<const ValueId> inputs) {
  STROP_CHECK(inputs.size() == graph.inputs().size(), "a graph is inlined with all its inputs");
  std::vector<ValueId> place(graph.value_count());
  for (std::size_t i = 0; i < inputs.size(); ++i) place[graph.inputs()[i].index] = inputs[i];
  const auto moved = [&](ValueId id) {
    if (!id.exists()) return id;
    ValueId& there = place[id.index];
    const Value& value = graph.value(id);
    if (!there.exists() && value.is_constant()) there = into.constant(value.constant, value.name);
    return there;
  };
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    std::vector<ValueId> arguments;
    for (const ValueId input : node.inputs) arguments.push_back(moved(input));
    Emitter::Options options;
    options.name = node.name;
    options.origins = node.origins;
    options.subgraphs = node.subgraphs;
    for (const ValueId output : node.outputs)
      options.output_names.push_back(graph.value(output).name);
    const auto outputs = into.emit(*node.op, node.attributes, std::move(arguments),
                                   node.outputs.size(), std::move(options));
    for (std::size_t i = 0; i < outputs.size(); ++i) place[node.outputs[i].index] = outputs[i];
  }
  std::vector<ValueId> results;
  for (const ValueId id : graph.outputs()) results.push_back(moved(id));
  return results;
}

}  // namespace strop

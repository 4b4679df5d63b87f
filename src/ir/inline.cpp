// SPDX-License-Identifier: Apache-2.0
#include "ir/inline.hpp"

namespace strop {

std::unordered_map<std::string, Dim> inlined_symbols(const Emitter& into, const Graph& graph,
                                                     std::span<const ValueId> inputs) {
  std::unordered_map<std::string, Dim> out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Type& declared = graph.value(graph.inputs()[i]).type;
    if (!inputs[i].exists() || !declared.shape) continue;
    const Type& actual = into.type(inputs[i]);
    if (actual.rank() != declared.rank()) continue;
    for (std::size_t axis = 0; axis < declared.shape->size(); ++axis) {
      const Dim& dim = (*declared.shape)[axis];
      if (dim.is_symbol()) out.try_emplace(dim.symbol_name(), (*actual.shape)[axis]);
    }
  }
  return out;
}

std::vector<ValueId> emit_graph(Emitter& into, const Graph& graph,
                                std::span<const ValueId> inputs) {
  STROP_CHECK(inputs.size() == graph.inputs().size(), "a graph is inlined with all its inputs");
  const auto symbols = inlined_symbols(into, graph, inputs);
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
    const Attributes attributes =
        node.attributes.has_symbols()
            ? node.attributes.map_dims([&](const Dim& dim) { return dim.substitute(symbols); })
            : node.attributes;
    const auto outputs = into.emit(*node.op, attributes, std::move(arguments), node.outputs.size(),
                                   std::move(options));
    for (std::size_t i = 0; i < outputs.size(); ++i) place[node.outputs[i].index] = outputs[i];
  }
  std::vector<ValueId> results;
  for (const ValueId id : graph.outputs()) results.push_back(moved(id));
  return results;
}

}  // namespace strop

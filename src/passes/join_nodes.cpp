// SPDX-License-Identifier: Apache-2.0
#include "passes/join_nodes.hpp"

#include <algorithm>

#include "ir/inline.hpp"
#include "ops/fused.hpp"

namespace strop {
namespace {

std::string kind_of(const Node& node) {
  return node.is(op_fused()) ? node.as<FusedAttributes>().kind : std::string(node.op->name);
}

}  // namespace

void join_nodes(Graph& graph, const PassContext& context, const Node& first, const Node& second,
                Between value_between) {
  const bool keeps = value_between == Between::kept;
  const ValueId between = first.outputs[0];
  const ValueId last = second.outputs[0];
  const std::string kind = kind_of(first) + "+" + kind_of(second);
  Patch patch(graph, "fuse " + kind + " at " + label_of(first));
  patch.descend_from(first);
  patch.descend_from(second);
  GraphBuilder builder("body", graph.scope() + std::to_string(graph.node_slots()) + "body/");
  std::vector<ValueId> inputs, inside;
  for (const Node* node : {&first, &second}) {
    for (const ValueId input : node->inputs) {
      if (!input.exists() || input == between || std::ranges::find(inputs, input) != inputs.end())
        continue;
      inputs.push_back(input);
      inside.push_back(builder.add_input(graph.value(input).name, graph.value(input).type));
    }
  }
  ValueId middle;
  const auto moved = [&](ValueId id) {
    if (!id.exists() || id == between) return id.exists() ? middle : id;
    return inside[static_cast<std::size_t>(std::ranges::find(inputs, id) - inputs.begin())];
  };
  const auto emit = [&](const Node& node) {
    std::vector<ValueId> arguments;
    for (const ValueId input : node.inputs) arguments.push_back(moved(input));
    if (node.is(op_fused())) return emit_graph(builder, body_of(node), arguments)[0];
    Emitter::Options options;
    options.name = node.name;
    options.origins = node.origins;
    options.output_names = {graph.value(node.outputs[0]).name};
    return builder.emit(*node.op, node.attributes, std::move(arguments), 1, std::move(options))[0];
  };
  middle = emit(first);
  if (keeps) builder.add_output(middle, graph.value(between).name);
  builder.add_output(emit(second), graph.value(last).name);
  Emitter::Options options;
  options.name = keeps ? first.name : second.name;
  options.subgraphs.push_back(std::make_shared<const Graph>(builder.take()));
  const auto outputs =
      patch.emit(op_fused(), FusedAttributes{kind}, inputs, keeps ? 2 : 1, std::move(options));
  if (keeps) patch.replace(between, outputs[0]);
  patch.replace(last, outputs.back());
  context.apply(patch, graph);
}

ValueId operand_of_anchor(const Node& node, const Node& anchor, std::size_t i) {
  if (!anchor.input(i).exists() || &node == &anchor) return anchor.input(i);
  const auto inputs = body_of(node).inputs();
  const auto at = std::ranges::find(inputs, anchor.inputs[i]);
  return at == inputs.end() ? ValueId{}
                            : node.inputs[static_cast<std::size_t>(at - inputs.begin())];
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ir/patch.hpp"

#include <algorithm>

namespace strop {

Patch::Patch(const Graph& graph, std::string label)
    : graph_(graph),
      label_(std::move(label)),
      first_value_(graph.value_count()),
      first_node_(graph.node_slots()) {}

const Value& Patch::value(ValueId id) const {
  if (id.index < first_value_) return graph_.value(id);
  STROP_CHECK(id.index - first_value_ < values_.size(),
              "a value belongs to the patch or to its graph");
  return values_[id.index - first_value_];
}

void Patch::descend_from(const Node& node) {
  const std::vector<std::string> own =
      node.origins.empty() ? std::vector<std::string>{node.name} : node.origins;
  for (const std::string& origin : own) {
    if (!origin.empty() && std::ranges::find(origins_, origin) == origins_.end())
      origins_.push_back(origin);
  }
}

std::vector<ValueId> Patch::emit(const OpDef& op, Attributes attributes,
                                 std::vector<ValueId> inputs, std::size_t output_count,
                                 Options options) {
  Node node;
  node.op = &op;
  node.attributes = std::move(attributes);
  while (!inputs.empty() && !inputs.back().exists()) inputs.pop_back();
  node.inputs = std::move(inputs);
  node.subgraphs = std::move(options.subgraphs);
  node.origins = options.origins.empty() ? origins_ : std::move(options.origins);
  node.name = !options.name.empty() ? std::move(options.name)
              : origins_.empty()    ? std::string()
                                    : origins_.front();
  std::vector<InferOutput> inferred;
  infer_node(
      node, [this](ValueId v) -> const Value& { return value(v); },
      graph_.scope() + std::to_string(first_node_ + nodes_.size()), output_count, inferred,
      node.constraints);
  for (std::size_t i = 0; i < output_count; ++i) {
    Value value;
    value.name = i < options.output_names.size()
                     ? options.output_names[i]
                     : std::string(op.name) + "_" + std::to_string(first_value_ + values_.size());
    value.type = std::move(inferred[i].type);
    value.elements = std::move(inferred[i].elements);
    node.outputs.push_back(ValueId{static_cast<std::uint32_t>(first_value_ + values_.size())});
    values_.push_back(std::move(value));
  }
  std::vector<ValueId> outputs = node.outputs;
  nodes_.push_back(std::move(node));
  return outputs;
}

ValueId Patch::constant(Tensor tensor, std::string name) {
  Value value;
  value.name =
      name.empty() ? "constant_" + std::to_string(first_value_ + values_.size()) : std::move(name);
  value.type = Type::tensor(tensor.dtype(), to_symbolic(tensor.shape()));
  value.constant = std::move(tensor);
  values_.push_back(std::move(value));
  return ValueId{static_cast<std::uint32_t>(first_value_ + values_.size() - 1)};
}

void Patch::replace(ValueId from, ValueId to) {
  const Type& before = value(from).type;
  const Type& after = value(to).type;
  STROP_CHECK(from != to, "a value is replaced by another one");
  STROP_CHECK(before.kind == after.kind && before.dtype == after.dtype,
              "a replacement has the same element type");
  replacements_.emplace_back(from, to);
  if (to.index >= first_value_) {
    Value& fresh = values_[to.index - first_value_];
    if (!value(from).name.empty()) fresh.name = value(from).name;
  }
}

void Patch::apply(Graph& graph) {
  STROP_CHECK(&graph == &graph_, "a patch is applied to the graph it was made for");
  STROP_CHECK(graph.value_count() == first_value_ && graph.node_slots() == first_node_,
              "the graph has not changed since the patch was begun");
  for (Value& value : values_) graph.add_value(std::move(value));
  for (Node& node : nodes_) graph.add_node(std::move(node));
  for (const auto& [from, to] : replacements_) {
    Value& old_value = graph.values_[from.index];
    Value& new_value = graph.values_[to.index];
    std::vector<Use> own;
    for (const Use& use : old_value.uses) {
      if (use.node.index >= first_node_) {
        own.push_back(use);
        continue;
      }
      graph.nodes_[use.node.index].inputs[use.input] = to;
      new_value.uses.push_back(use);
    }
    old_value.uses = std::move(own);
    for (ValueId& output : graph.outputs_) {
      if (output == from) output = to;
    }
  }
  graph.order_valid_ = false;
}

std::size_t remove_dead_nodes(Graph& graph) {
  std::vector<std::size_t> wanted(graph.value_count());  // uses by living nodes and outputs
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = graph.values_[i].uses.size();
  for (ValueId id : graph.outputs_) ++wanted[id.index];
  const std::vector<NodeId> order = graph.order();
  std::size_t removed = 0;
  std::vector<bool> touched(graph.value_count(), false);
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    Node& node = graph.nodes_[it->index];
    if (std::ranges::any_of(node.outputs, [&](ValueId id) { return wanted[id.index] > 0; }))
      continue;
    for (ValueId id : node.inputs) {
      if (!id.exists()) continue;
      --wanted[id.index];
      touched[id.index] = true;
    }
    node.alive = false;
    node.inputs.clear();
    node.subgraphs.clear();
    ++removed;
  }
  for (std::size_t i = 0; i < touched.size(); ++i) {
    Value& value = graph.values_[i];
    if (touched[i]) {
      std::erase_if(value.uses,
                    [&](const Use& use) { return !graph.nodes_[use.node.index].alive; });
    }
    // Nobody can reach it any more: its memory goes.
    if (value.is_constant() && wanted[i] == 0) value.constant = Tensor();
  }
  if (removed > 0) graph.order_valid_ = false;
  return removed;
}

}  // namespace strop

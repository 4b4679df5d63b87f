// SPDX-License-Identifier: Apache-2.0
#include "ir/graph.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace strop {

Graph Graph::clone() const {
  Graph out;
  out.name_ = name_;
  out.scope_ = scope_;
  out.values_ = values_;
  out.nodes_ = nodes_;
  out.inputs_ = inputs_;
  out.outputs_ = outputs_;
  out.output_names_ = output_names_;
  out.order_valid_ = false;
  return out;
}

bool Graph::is_output(ValueId id) const {
  return std::ranges::find(outputs_, id) != outputs_.end();
}

const Value& Graph::value(ValueId id) const {
  STROP_CHECK(id.index < values_.size(), "a value belongs to the graph it is looked up in");
  return values_[id.index];
}

const Node& Graph::node(NodeId id) const {
  STROP_CHECK(id.index < nodes_.size(), "a node belongs to the graph it is looked up in");
  return nodes_[id.index];
}

const Node* Graph::producer(ValueId id) const {
  const Value& v = value(id);
  return v.producer.exists() ? &nodes_[v.producer.index] : nullptr;
}

std::size_t Graph::node_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(nodes_, [](const Node& node) { return node.alive; }));
}

bool Graph::has_single_use(ValueId id) const {
  return value(id).uses.size() == 1 && !is_output(id);
}

const std::vector<NodeId>& Graph::order() const {
  if (order_valid_) return order_;
  // Depth-first from the nodes in their present order, so that an order that is already right stays
  // as it is.
  std::vector<NodeId> present = order_;
  std::vector<std::uint8_t> seen(nodes_.size(), 0);
  for (NodeId id : present) seen[id.index] = 1;
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (seen[i] == 0) present.push_back(NodeId{i});
  }
  enum : std::uint8_t { fresh, open, done };
  std::vector<std::uint8_t> state(nodes_.size(), fresh);
  std::vector<NodeId> sorted;
  sorted.reserve(present.size());
  std::vector<std::pair<NodeId, std::size_t>> stack;
  for (NodeId root : present) {
    if (!nodes_[root.index].alive || state[root.index] != fresh) continue;
    stack.emplace_back(root, 0);
    state[root.index] = open;
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      const Node& node = nodes_[id.index];
      if (next == node.inputs.size()) {
        state[id.index] = done;
        sorted.push_back(id);
        stack.pop_back();
        continue;
      }
      const ValueId input = node.inputs[next++];
      if (!input.exists()) continue;
      const NodeId before = values_[input.index].producer;
      if (!before.exists() || state[before.index] == done) continue;
      STROP_CHECK(state[before.index] == fresh, "a graph has no cycle");
      STROP_CHECK(nodes_[before.index].alive, "a living node reads values of living nodes");
      state[before.index] = open;
      stack.emplace_back(before, 0);
    }
  }
  order_ = std::move(sorted);
  order_valid_ = true;
  return order_;
}

ValueId Graph::add_value(Value value) {
  values_.push_back(std::move(value));
  return ValueId{static_cast<std::uint32_t>(values_.size() - 1)};
}

NodeId Graph::add_node(Node node) {
  const NodeId id{static_cast<std::uint32_t>(nodes_.size())};
  for (std::uint32_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i].exists()) values_[node.inputs[i].index].uses.push_back({id, i});
  }
  for (std::uint32_t i = 0; i < node.outputs.size(); ++i) {
    values_[node.outputs[i].index].producer = id;
    values_[node.outputs[i].index].output_index = i;
  }
  nodes_.push_back(std::move(node));
  if (order_valid_) order_.push_back(id);
  return id;
}

void infer_node(const Node& node, const std::function<const Value&(ValueId)>& value_of,
                const std::string& scope, std::size_t output_count,
                std::vector<InferOutput>& outputs, std::vector<ShapeConstraint>& constraints) {
  std::vector<InferInput> inputs(node.inputs.size());
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.inputs[i].exists()) continue;
    const Value& value = value_of(node.inputs[i]);
    inputs[i].type = &value.type;
    if (value.is_constant()) inputs[i].constant = &value.constant;
    if (value.elements) inputs[i].elements = &*value.elements;
  }
  std::vector<const Graph*> subgraphs;
  for (const auto& graph : node.subgraphs) subgraphs.push_back(graph.get());
  InferContext context(*node.op, node.attributes, inputs, subgraphs, output_count, scope);
  try {
    infer_outputs(context);
  } catch (Error& error) {
    if (!node.name.empty()) error.add_context("node " + node.name);
    throw;
  }
  outputs = std::move(context.outputs());
  constraints = std::move(context.constraints());
}

std::size_t captured_inputs(const Node& node) {
  if (node.op->formal_inputs == nullptr) return 0;
  const std::size_t formal = node.op->formal_inputs(node.attributes);
  return node.inputs.size() > formal ? node.inputs.size() - formal : 0;
}

namespace {

using Renamed = std::unordered_map<std::string, Dim>;

// What the symbols that stand alone in one type are called in another one of the same value.
void add_renamed(const Type& before, const Type& after, Renamed& out) {
  if (!before.shape || before.rank() != after.rank()) return;
  for (std::size_t axis = 0; axis < before.shape->size(); ++axis) {
    const Dim& dim = (*before.shape)[axis];
    if (dim.is_symbol()) out.try_emplace(dim.symbol_name(), (*after.shape)[axis]);
  }
}

// Attributes compute with the new names. False when one needs a symbol that is not among `told`.
bool follow_renamed(std::vector<Node>& nodes, const Renamed& renamed,
                    const std::set<std::string>& told) {
  for (Node& node : nodes) {
    if (!node.alive || !node.attributes.has_symbols()) continue;
    std::set<std::string> needed;
    node.attributes = node.attributes.map_dims([&](const Dim& dim) {
      Dim moved = dim.substitute(renamed);
      moved.collect_symbols(needed);
      return moved;
    });
    if (!std::ranges::includes(told, needed)) return false;
  }
  return true;
}

}  // namespace

// What a nested graph captures has the type that it has outside. A graph keeps the types it has
// where it contradicts a sharper one (it may be the branch that such sizes never take), or where it
// computes with a size that the new types would not tell.
void Graph::retype_captures(Node& node) {
  const std::size_t captured = captured_inputs(node);
  for (auto& nested : node.subgraphs) {
    if (captured == 0 || nested->inputs().size() < captured) continue;
    const auto outside = std::span(node.inputs).last(captured);
    const auto inside = nested->inputs().last(captured);
    const auto type_of = [&](std::size_t i) -> const Type& { return value(outside[i]).type; };
    bool changed = false;
    for (std::size_t i = 0; i < captured && !changed; ++i)
      changed = outside[i].exists() && !(type_of(i) == nested->value(inside[i]).type);
    if (!changed) continue;
    Graph copy = nested->clone();
    Renamed renamed;
    for (std::size_t i = 0; i < captured; ++i) {
      if (!outside[i].exists()) continue;
      Type& type = copy.values_[inside[i].index].type;
      add_renamed(type, type_of(i), renamed);
      type = type_of(i);
    }
    std::set<std::string> told;
    for (const ValueId id : copy.inputs_) {
      for (const Dim& dim : copy.value(id).type.shape.value_or(SymShape{}))
        if (dim.is_symbol()) told.insert(dim.symbol_name());
    }
    if (!follow_renamed(copy.nodes_, renamed, told)) continue;
    try {
      copy.infer();
    } catch (const Error&) {
      continue;
    }
    nested = std::make_shared<const Graph>(std::move(copy));
  }
}

void Graph::infer() {
  for (const NodeId id : order()) {
    Node& node = nodes_[id.index];
    retype_captures(node);
    std::vector<InferOutput> outputs;
    infer_node(
        node, [this](ValueId v) -> const Value& { return value(v); },
        scope_ + std::to_string(id.index), node.outputs.size(), outputs, node.constraints);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      Value& value = values_[node.outputs[i].index];
      value.type = std::move(outputs[i].type);
      value.elements = std::move(outputs[i].elements);
    }
  }
}

GraphBuilder::GraphBuilder(std::string name, std::string scope) {
  graph_.name_ = std::move(name);
  graph_.scope_ = std::move(scope);
}

ValueId GraphBuilder::add_input(std::string name, Type type) {
  Value value;
  value.name = std::move(name);
  value.type = std::move(type);
  value.is_input = true;
  const ValueId id = graph_.add_value(std::move(value));
  graph_.inputs_.push_back(id);
  return id;
}

std::string GraphBuilder::nested_scope(std::string_view which) const {
  return graph_.scope_ + std::to_string(graph_.nodes_.size()) + std::string(which) + "/";
}

std::vector<ValueId> GraphBuilder::emit(const OpDef& op, Attributes attributes,
                                        std::vector<ValueId> inputs, std::size_t output_count,
                                        Options options) {
  Node node;
  node.op = &op;
  node.attributes = std::move(attributes);
  while (!inputs.empty() && !inputs.back().exists()) inputs.pop_back();
  node.inputs = std::move(inputs);
  node.subgraphs = std::move(options.subgraphs);
  node.origins = std::move(options.origins);
  node.name = std::move(options.name);
  std::vector<InferOutput> inferred;
  infer_node(
      node, [this](ValueId v) -> const Value& { return graph_.value(v); },
      graph_.scope_ + std::to_string(graph_.nodes_.size()), output_count, inferred,
      node.constraints);
  for (std::size_t i = 0; i < output_count; ++i) {
    Value value;
    value.name = i < options.output_names.size()
                     ? options.output_names[i]
                     : std::string(op.name) + "_" + std::to_string(graph_.values_.size());
    value.type = std::move(inferred[i].type);
    value.elements = std::move(inferred[i].elements);
    node.outputs.push_back(graph_.add_value(std::move(value)));
  }
  std::vector<ValueId> outputs = node.outputs;
  graph_.add_node(std::move(node));
  return outputs;
}

ValueId GraphBuilder::constant(Tensor tensor, std::string name) {
  Value value;
  value.name = name.empty() ? "constant_" + std::to_string(graph_.values_.size()) : std::move(name);
  value.type = Type::tensor(tensor.dtype(), to_symbolic(tensor.shape()));
  value.constant = std::move(tensor);
  return graph_.add_value(std::move(value));
}

const Value& GraphBuilder::value(ValueId id) const { return graph_.value(id); }

void GraphBuilder::set_name(ValueId id, std::string name) {
  graph_.values_[id.index].name = std::move(name);
}

void GraphBuilder::add_output(ValueId id, std::string name) {
  graph_.outputs_.push_back(id);
  graph_.output_names_.push_back(std::move(name));
}

Graph GraphBuilder::take() { return std::move(graph_); }

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ir/verify.hpp"

#include <algorithm>

namespace strop {
namespace {

[[noreturn]] void broken(std::string what, std::string why) {
  throw Error(ErrorCode::internal, std::move(what), std::move(why),
              "this is a fault in Strop: please report it with the graph");
}

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  void run() {
    check_interface();
    for (std::uint32_t i = 0; i < graph_.node_slots(); ++i) {
      if (graph_.node(NodeId{i}).alive) check_node(NodeId{i});
    }
    for (std::uint32_t i = 0; i < graph_.value_count(); ++i) check_value(ValueId{i});
    check_order();
    for (const NodeId id : graph_.order()) check_inference(id);
    for (const NodeId id : graph_.order()) {
      for (const auto& nested : graph_.node(id).subgraphs) {
        try {
          verify(*nested);
        } catch (Error& error) {
          error.add_context(name(id));
          throw;
        }
      }
    }
  }

 private:
  std::string name(NodeId id) const {
    const Node& node = graph_.node(id);
    return "node " + (node.name.empty() ? "#" + std::to_string(id.index) : node.name) + " (" +
           (node.op != nullptr ? std::string(node.op->name) : std::string("no operator")) + ")";
  }
  std::string name(ValueId id) const {
    return "value %" + graph_.value(id).name + " of graph " + graph_.name();
  }

  bool in_range(ValueId id) const { return id.index < graph_.value_count(); }
  bool defined(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.is_input || value.is_constant() ||
           (value.producer.index < graph_.node_slots() && graph_.node(value.producer).alive);
  }

  void check_interface() const {
    std::vector<bool> seen(graph_.value_count(), false);
    for (const ValueId id : graph_.inputs()) {
      if (!in_range(id)) broken("graph " + graph_.name(), "an input is no value of it");
      if (!graph_.value(id).is_input)
        broken(name(id), "it is listed as an input but not marked so");
      if (seen[id.index]) broken(name(id), "it is an input twice");
      seen[id.index] = true;
    }
    for (std::uint32_t i = 0; i < graph_.value_count(); ++i) {
      if (graph_.value(ValueId{i}).is_input && !seen[i])
        broken(name(ValueId{i}), "it is marked as an input but not listed");
    }
    for (const ValueId id : graph_.outputs()) {
      if (!in_range(id)) broken("graph " + graph_.name(), "an output is no value of it");
      if (!defined(id)) broken(name(id), "it is an output but nothing defines it");
    }
  }

  void check_node(NodeId id) const {
    const Node& node = graph_.node(id);
    if (node.op == nullptr) broken(name(id), "it has no operator");
    const OpDef& op = *node.op;
    if (&node.attributes.schema() != op.attributes)
      broken(name(id), "its attributes are of another operator");
    for (const ValueId input : node.inputs) {
      if (!input.exists()) continue;
      if (!in_range(input)) broken(name(id), "an input is no value of the graph");
      if (!defined(input))
        broken(name(id), "nothing defines its input %" + graph_.value(input).name);
    }
    if (!node.inputs.empty() && !node.inputs.back().exists())
      broken(name(id), "its last input is absent instead of left out");
    for (std::uint32_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId output = node.outputs[i];
      if (!in_range(output)) broken(name(id), "an output is no value of the graph");
      const Value& value = graph_.value(output);
      if (value.producer != id || value.output_index != i)
        broken(name(id), "its output %" + value.name + " names another producer");
    }
    const auto variadic = [](const std::vector<Operand>& operands) {
      return !operands.empty() && operands.back().arity == Operand::variadic;
    };
    if (node.inputs.size() > op.inputs.size() && !variadic(op.inputs) && op.subgraphs.empty())
      broken(name(id), "it has more inputs than its operator");
    if (node.outputs.size() > op.outputs.size() && !variadic(op.outputs))
      broken(name(id), "it has more outputs than its operator");
    if (node.subgraphs.size() != op.subgraphs.size())
      broken(name(id), "it has " + std::to_string(node.subgraphs.size()) +
                           " nested graphs, its operator " + std::to_string(op.subgraphs.size()));
    // Captured values follow the formal ones, in the node and in each nested graph.
    const std::size_t captures = captured_inputs(node);
    for (const auto& nested : node.subgraphs) {
      if (nested == nullptr) broken(name(id), "a nested graph is missing");
      if (nested->inputs().size() < captures)
        broken(name(id), "graph " + nested->name() + " does not take all that is captured");
      for (std::size_t i = 0; i < captures; ++i) {
        const ValueId outside = node.inputs[node.inputs.size() - 1 - i];
        const ValueId inside = nested->inputs()[nested->inputs().size() - 1 - i];
        if (!outside.exists()) broken(name(id), "a captured value is absent");
        const Type& type = graph_.value(outside).type;
        if (type.kind != nested->value(inside).type.kind ||
            type.dtype != nested->value(inside).type.dtype) {
          broken(name(id), "it captures " + type.to_string() + " as " +
                               nested->value(inside).type.to_string());
        }
      }
    }
  }

  void check_value(ValueId id) const {
    const Value& value = graph_.value(id);
    const int origins = (value.is_input ? 1 : 0) + (value.is_constant() ? 1 : 0) +
                        (value.producer.exists() ? 1 : 0);
    if (origins > 1) broken(name(id), "it has more than one definition");
    if (value.producer.exists()) {
      if (value.producer.index >= graph_.node_slots())
        broken(name(id), "its producer is no node of the graph");
      const Node& node = graph_.node(value.producer);
      if (value.output_index >= node.outputs.size() || node.outputs[value.output_index] != id)
        broken(name(id), "its producer does not make it");
    }
    if (value.is_constant() && !(value.type == Type::tensor(value.constant.dtype(),
                                                            to_symbolic(value.constant.shape())))) {
      broken(name(id), "it is declared " + value.type.to_string() + ", but holds " +
                           describe(value.constant));
    }
    std::vector<std::pair<std::uint32_t, std::uint32_t>> uses;
    for (const Use& use : value.uses) {
      if (use.node.index >= graph_.node_slots() || !graph_.node(use.node).alive)
        broken(name(id), "a node that is gone is listed as its user");
      if (graph_.node(use.node).input(use.input) != id)
        broken(name(id), name(use.node) + " is listed as its user, but does not read it");
      uses.emplace_back(use.node.index, use.input);
    }
    std::ranges::sort(uses);
    if (std::ranges::adjacent_find(uses) != uses.end()) broken(name(id), "a use is listed twice");
  }

  // With no use listed wrongly or twice, equal counts mean equal sets.
  void check_order() const {
    std::size_t listed = 0;
    for (std::uint32_t i = 0; i < graph_.value_count(); ++i)
      listed += graph_.value(ValueId{i}).uses.size();
    std::size_t read = 0;
    std::size_t alive = 0;
    std::vector<bool> done(graph_.node_slots(), false);
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!node.alive || done[id.index]) broken(name(id), "it is in the order though it is gone");
      for (const ValueId input : node.inputs) {
        if (!input.exists()) continue;
        ++read;
        const NodeId producer = graph_.value(input).producer;
        if (producer.exists() && !done[producer.index])
          broken(name(id), "it comes before " + name(producer) + ", which it reads");
      }
      done[id.index] = true;
      ++alive;
    }
    if (alive != graph_.node_count())
      broken("graph " + graph_.name(), "a node is missing from its order");
    if (read != listed) broken("graph " + graph_.name(), "a use is missing from the lists of uses");
  }

  void check_inference(NodeId id) const {
    const Node& node = graph_.node(id);
    std::vector<InferOutput> inferred;
    std::vector<ShapeConstraint> constraints;
    infer_node(
        node, [this](ValueId v) -> const Value& { return graph_.value(v); },
        graph_.scope() + std::to_string(id.index), node.outputs.size(), inferred, constraints);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const Value& value = graph_.value(node.outputs[i]);
      if (!(value.type == inferred[i].type)) {
        broken(name(id), "its output %" + value.name + " is " + value.type.to_string() +
                             ", but inference finds " + inferred[i].type.to_string());
      }
      if (value.elements != inferred[i].elements)
        broken(name(id), "the known contents of its output %" + value.name + " are out of date");
      if (value.type.is_tensor() && value.type.dtype == DType::undefined)
        broken(name(id), "its output %" + value.name + " has no type");
    }
  }

  const Graph& graph_;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace strop

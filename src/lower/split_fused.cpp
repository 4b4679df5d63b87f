// SPDX-License-Identifier: Apache-2.0
// A fused node means its body, so a fused node that no tactic takes becomes its body's nodes again.
#include "lower/split_fused.hpp"

#include <algorithm>
#include <map>

#include "ir/patch.hpp"
#include "ops/concat.hpp"
#include "ops/fused.hpp"
#include "ops/normalize_by_sums.hpp"
#include "ops/row_sums.hpp"

namespace strop {
namespace {

// Whether the body is what its anchor reads (a concat: passes/fuse_concat.cpp; normalised rows:
// passes/fold_layer_norm.cpp) and the nodes behind it.
bool begins_with_operand(const Node& node) {
  if (node.as<FusedAttributes>().moves) return false;
  const Graph& body = body_of(node);
  if (body.order().size() < 2 || body.outputs().size() != 1) return false;
  const Node& first = body.node(body.order()[0]);
  return first.is(op_concat()) || first.is(op_normalize_by_sums());
}

// Whether the body gives a result and row_sums of it (passes/fold_layer_norm.cpp).
bool ends_in_row_sums(const Node& node) {
  const Graph& body = body_of(node);
  if (node.as<FusedAttributes>().moves || body.order().size() < 2) return false;
  const Node& last = body.node(body.order().back());
  return last.is(op_row_sums()) &&
         std::ranges::equal(body.outputs(), std::vector{last.inputs[0], last.outputs[0]});
}

// A body's node again, in another body.
ValueId emit_again(GraphBuilder& builder, const Graph& body, const Node& node,
                   std::vector<ValueId> arguments) {
  Emitter::Options options;
  options.name = node.name;
  options.origins = node.origins;
  options.output_names = {body.value(node.outputs[0]).name};
  return builder.emit(*node.op, node.attributes, std::move(arguments), 1, std::move(options))[0];
}

// Makes two nodes of such a node; the one that the body without row_sums becomes.
NodeId split_row_sums(Graph& graph, const Node& node) {
  const Graph& body = body_of(node);
  const Node& last = body.node(body.order().back());
  GraphBuilder builder("body", graph.scope() + std::to_string(graph.node_slots()) + "rest/");
  std::vector<ValueId> place(body.value_count());
  for (const ValueId input : body.inputs())
    place[input.index] = builder.add_input(body.value(input).name, body.value(input).type);
  const auto moved = [&](ValueId id) {
    if (id.exists() && !place[id.index].exists())
      place[id.index] = builder.constant(body.value(id).constant);
    return id.exists() ? place[id.index] : id;
  };
  for (const NodeId id : body.order()) {
    const Node& inner = body.node(id);
    if (&inner == &last) continue;
    std::vector<ValueId> arguments;
    for (const ValueId input : inner.inputs) arguments.push_back(moved(input));
    place[inner.outputs[0].index] = emit_again(builder, body, inner, std::move(arguments));
  }
  builder.add_output(place[last.inputs[0].index], body.value(last.inputs[0]).name);
  Patch patch(graph, "split row sums off " + node.name);
  const std::string& kind = node.as<FusedAttributes>().kind;
  Emitter::Options options;
  options.name = node.name;
  options.origins = node.origins;
  options.subgraphs.push_back(std::make_shared<const Graph>(builder.take()));
  const ValueId out = patch.emit(op_fused(), FusedAttributes{kind.substr(0, kind.rfind('+'))},
                                 node.inputs, 1, std::move(options))[0];
  Emitter::Options of_sums;
  of_sums.name = last.name;
  of_sums.origins = last.origins;
  const ValueId sums = patch.emit(op_row_sums(), last.attributes, {out}, 1, std::move(of_sums))[0];
  patch.replace(node.outputs[0], out);
  patch.replace(node.outputs[1], sums);
  patch.apply(graph);
  return graph.value(out).producer;
}

// Operands that came out of bodies, by what they are made of: bodies may hold the same one.
using Joined = std::map<std::vector<ValueId>, std::map<std::string, ValueId>>;

class OperandSplit {
 public:
  OperandSplit(Graph& graph, const Node& node)
      : graph_(graph),
        node_(node),
        body_(body_of(node)),
        patch_(graph, "split an operand off " + node.name) {}

  // The node that the rest of the body becomes.
  NodeId run(Joined& joined) {
    const Node& first = body_.node(body_.order()[0]);
    const ValueId old = node_.outputs[0];
    const ValueId whole = join(first, joined);
    std::vector<ValueId> inputs{whole};
    Emitter::Options options;
    options.name = node_.name;
    options.origins = node_.origins;
    options.subgraphs.push_back(std::make_shared<const Graph>(rest(first, whole, inputs)));
    std::string kind = node_.as<FusedAttributes>().kind;
    kind = kind.substr(std::min(kind.find('+') + 1, kind.size()));
    const ValueId out =
        patch_.emit(op_fused(), FusedAttributes{std::move(kind)}, inputs, 1, std::move(options))[0];
    patch_.replace(old, out);
    patch_.apply(graph_);
    return graph_.value(out).producer;
  }

 private:
  // The node's input that an input of the body stands for.
  ValueId outer(ValueId id) const {
    const auto inputs = body_.inputs();
    const auto at = std::ranges::find(inputs, id);
    STROP_CHECK(at != inputs.end(), "what a body does not compute is its input or a constant");
    return node_.inputs[static_cast<std::size_t>(at - inputs.begin())];
  }

  ValueId join(const Node& first, Joined& joined) {
    std::vector<ValueId> pieces;
    for (const ValueId piece : first.inputs) {
      if (!piece.exists()) {
        pieces.push_back(piece);
        continue;
      }
      const Value& value = body_.value(piece);
      pieces.push_back(value.is_constant() ? patch_.constant(value.constant, value.name)
                                           : outer(piece));
    }
    ValueId& whole = joined[pieces][std::string(first.op->name) + first.attributes.to_string()];
    if (whole.exists()) return whole;
    Emitter::Options options;
    options.name = first.name;
    options.origins = first.origins;
    options.output_names = {body_.value(first.outputs[0]).name};
    return whole = patch_.emit(*first.op, first.attributes, pieces, 1, std::move(options))[0];
  }

  // The body without its first node; `inputs` receives what it reads beside it.
  Graph rest(const Node& first, ValueId whole, std::vector<ValueId>& inputs) {
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "rest/");
    std::vector<ValueId> place(body_.value_count());
    const auto add_input = [&](ValueId inside, const Type& type) {
      place[inside.index] = builder.add_input(body_.value(inside).name, type);
    };
    add_input(first.outputs[0], patch_.type(whole));
    const auto moved = [&](ValueId id) {
      if (!id.exists() || place[id.index].exists()) return id.exists() ? place[id.index] : id;
      const Value& value = body_.value(id);
      if (value.is_constant()) return place[id.index] = builder.constant(value.constant);
      inputs.push_back(outer(id));
      add_input(id, graph_.value(inputs.back()).type);
      return place[id.index];
    };
    for (const NodeId id : body_.order()) {
      const Node& node = body_.node(id);
      if (&node == &first) continue;
      std::vector<ValueId> arguments;
      for (const ValueId input : node.inputs) arguments.push_back(moved(input));
      place[node.outputs[0].index] = emit_again(builder, body_, node, std::move(arguments));
    }
    const ValueId out = body_.outputs()[0];
    builder.add_output(place[out.index], body_.value(out).name);
    return builder.take();
  }

  Graph& graph_;
  const Node& node_;
  const Graph& body_;
  Patch patch_;
};

using IsTaken = std::function<bool(const Graph&, const Node&)>;

// Takes one end after the other off a node that is not taken, until the rest is, or is inlined.
void split(Graph& graph, NodeId id, const IsTaken& is_taken, Joined& joined) {
  do {
    const Node& node = graph.node(id);
    if (ends_in_row_sums(node)) {
      id = split_row_sums(graph, node);
    } else if (begins_with_operand(node)) {
      id = OperandSplit(graph, node).run(joined);
    } else {
      return inline_fused(graph, id);
    }
  } while (body_of(graph.node(id)).order().size() == 1 || !is_taken(graph, graph.node(id)));
}

}  // namespace

std::vector<std::string> split_fused(Graph& graph, const IsTaken& is_taken) {
  std::vector<std::string> names;
  const std::vector<NodeId> order = graph.order();
  Joined joined;
  for (NodeId id : order) {
    const Node& node = graph.node(id);
    if (!node.is(op_fused()) || is_taken(graph, node)) continue;
    names.push_back(node.name);
    split(graph, id, is_taken, joined);
  }
  if (!names.empty()) {
    remove_dead_nodes(graph);
    graph.infer();
  }
  return names;
}

}  // namespace strop

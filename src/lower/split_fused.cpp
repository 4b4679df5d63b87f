// SPDX-License-Identifier: Apache-2.0
// A fused node means its body, so a fused node that no tactic takes becomes its body's nodes again.
#include "lower/split_fused.hpp"

#include <algorithm>
#include <map>

#include "ir/patch.hpp"
#include "ops/concat.hpp"
#include "ops/fused.hpp"

namespace strop {
namespace {

// Whether the body is a concat and the nodes behind it (passes/fuse_concat.cpp).
bool begins_with_concat(const Node& node) {
  if (node.as<FusedAttributes>().moves) return false;
  const Graph& body = body_of(node);
  return body.order().size() > 1 && body.node(body.order()[0]).is(op_concat());
}

// Concats that came out of bodies, by what they join: bodies may hold the same one.
using Joined = std::map<std::vector<ValueId>, std::map<std::string, ValueId>>;

class ConcatSplit {
 public:
  ConcatSplit(Graph& graph, const Node& node)
      : graph_(graph),
        node_(node),
        body_(body_of(node)),
        patch_(graph, "split the concat off " + node.name) {}

  // The node that the rest of the body becomes.
  NodeId run(Joined& joined) {
    const Node& concat = body_.node(body_.order()[0]);
    const ValueId old = node_.outputs[0];
    const ValueId whole = join(concat, joined);
    std::vector<ValueId> inputs{whole};
    Emitter::Options options;
    options.name = node_.name;
    options.origins = node_.origins;
    options.subgraphs.push_back(std::make_shared<const Graph>(rest(concat, whole, inputs)));
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

  ValueId join(const Node& concat, Joined& joined) {
    std::vector<ValueId> pieces;
    for (const ValueId piece : concat.inputs) {
      const Value& value = body_.value(piece);
      pieces.push_back(value.is_constant() ? patch_.constant(value.constant, value.name)
                                           : outer(piece));
    }
    ValueId& whole = joined[pieces][concat.attributes.to_string()];
    if (whole.exists()) return whole;
    Emitter::Options options;
    options.name = concat.name;
    options.origins = concat.origins;
    options.output_names = {body_.value(concat.outputs[0]).name};
    return whole = patch_.emit(*concat.op, concat.attributes, pieces, 1, std::move(options))[0];
  }

  // The body without the concat; `inputs` receives what it reads beside it.
  Graph rest(const Node& concat, ValueId whole, std::vector<ValueId>& inputs) {
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "rest/");
    std::vector<ValueId> place(body_.value_count());
    const auto add_input = [&](ValueId inside, const Type& type) {
      place[inside.index] = builder.add_input(body_.value(inside).name, type);
    };
    add_input(concat.outputs[0], patch_.type(whole));
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
      if (&node == &concat) continue;
      std::vector<ValueId> arguments;
      for (const ValueId input : node.inputs) arguments.push_back(moved(input));
      Emitter::Options options;
      options.name = node.name;
      options.origins = node.origins;
      options.output_names = {body_.value(node.outputs[0]).name};
      place[node.outputs[0].index] =
          builder.emit(*node.op, node.attributes, std::move(arguments), 1, std::move(options))[0];
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

}  // namespace

std::vector<std::string> split_fused(
    Graph& graph, const std::function<bool(const Graph&, const Node&)>& is_taken) {
  std::vector<std::string> names;
  const std::vector<NodeId> order = graph.order();
  Joined joined;
  for (NodeId id : order) {
    const Node& node = graph.node(id);
    if (!node.is(op_fused()) || is_taken(graph, node)) continue;
    names.push_back(node.name);
    if (!begins_with_concat(node)) {
      inline_fused(graph, id);
      continue;
    }
    const NodeId rest = ConcatSplit(graph, node).run(joined);
    if (body_of(graph.node(rest)).order().size() == 1 || !is_taken(graph, graph.node(rest)))
      inline_fused(graph, rest);
  }
  if (!names.empty()) {
    remove_dead_nodes(graph);
    graph.infer();
  }
  return names;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Moves of elements (transpose, concat, split, slice, expand) and the pointwise nodes and reshapes
// among them become one `fused` node with one output: a kernel then finds for each element of the
// output where it comes from, and computes it there, so that nothing in between is ever written to
// memory. A dequantize_linear of bytes counts as pointwise: the kernel then reads the bytes. The
// result is the same to the bit, but for 16-bit values in between, which are not rounded.
//
// For devices, whose kernels are generated. Goes last: the pointwise nodes behind a product belong
// to that product. Whether a kernel takes the region is for lowering to find out; what none takes
// becomes its body's nodes again.
#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "ir/inline.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/concat.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/expand.hpp"
#include "ops/fused.hpp"
#include "ops/reshape.hpp"
#include "ops/select.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"
#include "ops/unsqueeze.hpp"
#include "passes/passes.hpp"
#include "passes/quantized_value.hpp"

namespace strop {
namespace {

constexpr std::size_t kMostNodes = 96;

bool is_pointwise(const Node& node) {
  return node.is(op_unary()) || node.is(op_binary()) || node.is(op_clip()) ||
         node.is(op_select()) || node.is(op_cast());
}

bool is_pointwise_chain(const Node& node) {
  if (!node.is(op_fused())) return false;
  const Graph& body = body_of(node);
  return std::ranges::all_of(body.order(), [&](NodeId id) { return is_pointwise(body.node(id)); });
}

bool is_view(const Node& node) {
  return node.is(op_reshape()) || node.is(op_squeeze()) || node.is(op_unsqueeze());
}

bool is_move(const Node& node) {
  return node.is(op_transpose()) || node.is(op_concat()) || node.is(op_split()) ||
         node.is(op_slice()) || node.is(op_expand());
}

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

// The sizes that a reshape is given at run time, as a constant that means the same: an axis that x
// has at the same place is copied, and one that is open is what is left over. Nothing where there
// is no such constant.
std::optional<Tensor> constant_sizes(const Graph& graph, const Node& node) {
  if (!node.is(op_reshape()) || node.as<ReshapeAttributes>().allow_zero) return std::nullopt;
  const SymShape& x = *graph.value(node.inputs[0]).type.shape;
  const SymShape& y = *graph.value(node.outputs[0]).type.shape;
  std::vector<std::int64_t> sizes;
  std::optional<std::size_t> open;
  Dim others(1);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool copied = !y[i].is_constant() && i < x.size() && x[i] == y[i];
    if (!copied && !y[i].is_constant()) {
      if (open) return std::nullopt;
      open = i;
      sizes.push_back(-1);
      continue;
    }
    if (!copied && y[i].value() <= 0) return std::nullopt;
    sizes.push_back(copied ? 0 : y[i].value());
    others = others * y[i];
  }
  // Where a copied axis is empty, nobody can tell what is left over.
  if (open && (!others.is_constant() || !(floordiv(product(x), others) == y[*open])))
    return std::nullopt;
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(sizes.size())}, sizes);
}

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    order_ = graph_.order();
    taken_.assign(graph_.node_slots(), false);
    place_.assign(graph_.node_slots(), 0);
    for (std::size_t i = 0; i < order_.size(); ++i) place_[order_[i].index] = i;
    int fused = 0;
    for (auto at = order_.rbegin(); at != order_.rend(); ++at) {
      if (taken_[at->index] || !is_root(graph_.node(*at))) continue;
      const std::vector<NodeId> nodes = region_of(*at);
      if (!is_worth_it(nodes)) continue;
      for (const NodeId id : nodes) taken_[id.index] = true;
      fuse(nodes);
      ++fused;
    }
    return fused;
  }

 private:
  bool is_root(const Node& node) const {
    return belongs(node) && node.outputs.size() == 1 &&
           is_float(graph_.value(node.outputs[0]).type.dtype);
  }

  // Whether its input i is no element of the result, but says where elements go.
  bool says_where(const Node& node, std::size_t i) const {
    return i > 0 && node.inputs[i].exists() && (is_view(node) || is_move(node)) &&
           !node.is(op_concat());
  }

  bool makes_floats_of_bytes(const Node& node) const {
    if (!node.is(op_dequantize_linear())) return false;
    const auto value = dequantized(graph_, node.outputs[0]);
    return value && is_byte(value->dtype);
  }

  bool belongs(const Node& node) const {
    if (!is_pointwise(node) && !is_pointwise_chain(node) && !is_view(node) && !is_move(node) &&
        !makes_floats_of_bytes(node)) {
      return false;
    }
    const auto has_shape = [&](ValueId id) { return graph_.value(id).type.shape.has_value(); };
    if (!std::ranges::all_of(node.outputs, has_shape)) return false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].exists()) continue;
      if (!has_shape(node.inputs[i])) return false;
      if (says_where(node, i) && !graph_.value(node.inputs[i]).is_constant() &&
          !constant_sizes(graph_, node))
        return false;
    }
    return true;
  }

  // The root and all nodes before it that nobody else reads, in order. Whoever reads a node lies
  // behind it, so that it is looked at after all of them.
  std::vector<NodeId> region_of(NodeId root) {
    std::set<std::size_t> waiting{place_[root.index]};
    std::set<NodeId> inside;
    std::vector<NodeId> nodes;
    while (!waiting.empty() && nodes.size() < kMostNodes) {
      const NodeId id = order_[*waiting.rbegin()];
      waiting.erase(std::prev(waiting.end()));
      if (id != root && !joins(id, inside)) continue;
      inside.insert(id);
      nodes.push_back(id);
      for (const ValueId input : graph_.node(id).inputs) {
        if (input.exists() && graph_.value(input).producer.exists() &&
            graph_.value(input).producer.index < place_.size()) {
          waiting.insert(place_[graph_.value(input).producer.index]);
        }
      }
    }
    std::ranges::reverse(nodes);
    return nodes;
  }

  // Whether the nodes inside, which are all behind it, are all that read this one.
  bool joins(NodeId id, const std::set<NodeId>& inside) const {
    const Node& node = graph_.node(id);
    if (taken_[id.index] || !belongs(node)) return false;
    bool used = false;
    for (const ValueId output : node.outputs) {
      if (graph_.is_output(output)) return false;
      for (const Use& use : graph_.value(output).uses) {
        if (!inside.contains(use.node)) return false;
        used = true;
      }
    }
    return used;
  }

  // A move alone has kernels of its own, and so have chains of pointwise nodes.
  bool is_worth_it(const std::vector<NodeId>& nodes) const {
    std::size_t moves = 0, all = 0;
    for (const NodeId id : nodes) {
      const Node& node = graph_.node(id);
      moves += is_move(node) ? 1 : 0;
      all += is_view(node) ? 0 : 1;
    }
    return moves >= 1 && all >= 2;
  }

  void fuse(const std::vector<NodeId>& nodes) {
    const Node& root = graph_.node(nodes.back());
    Patch patch(graph_, "fuse " + std::to_string(nodes.size()) + " nodes before " + label_of(root) +
                            " into one");
    for (const NodeId id : nodes) patch.descend_from(graph_.node(id));
    std::vector<ValueId> inputs;
    Emitter::Options options;
    options.name = root.name;
    options.subgraphs.push_back(std::make_shared<const Graph>(body(nodes, inputs)));
    const auto outputs =
        patch.emit(op_fused(), FusedAttributes{"moves", true}, inputs, 1, std::move(options));
    patch.replace(root.outputs[0], outputs[0]);
    context_.apply(patch, graph_);
  }

  // The nodes as a graph of their own; `inputs` receives what it reads from outside.
  Graph body(const std::vector<NodeId>& nodes, std::vector<ValueId>& inputs) const {
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "body/");
    std::vector<std::pair<ValueId, ValueId>> inside;  // of the graph, of the body
    const auto find = [&](ValueId id) {
      return std::ranges::find(inside, id, &std::pair<ValueId, ValueId>::first);
    };
    std::vector<ValueId> made;
    for (const NodeId id : nodes)
      made.insert(made.end(), graph_.node(id).outputs.begin(), graph_.node(id).outputs.end());
    for (const NodeId id : nodes) {
      const Node& node = graph_.node(id);
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (!input.exists() || std::ranges::find(made, input) != made.end() ||
            find(input) != inside.end() || says_where(node, i)) {
          continue;
        }
        inputs.push_back(input);
        inside.emplace_back(input,
                            builder.add_input(graph_.value(input).name, graph_.value(input).type));
      }
    }
    for (const NodeId id : nodes) {
      const Node& node = graph_.node(id);
      std::vector<ValueId> arguments;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (says_where(node, i) && !graph_.value(input).is_constant()) {
          arguments.push_back(builder.constant(*constant_sizes(graph_, node)));
          continue;
        }
        if (says_where(node, i) && find(input) == inside.end())
          inside.emplace_back(input, builder.constant(graph_.value(input).constant));
        arguments.push_back(input.exists() ? find(input)->second : input);
      }
      if (node.is(op_fused())) {
        inside.emplace_back(node.outputs[0], emit_graph(builder, body_of(node), arguments)[0]);
        continue;
      }
      Emitter::Options options;
      options.name = node.name;
      options.origins = node.origins;
      for (const ValueId output : node.outputs)
        options.output_names.push_back(graph_.value(output).name);
      const auto outputs = builder.emit(*node.op, node.attributes, std::move(arguments),
                                        node.outputs.size(), std::move(options));
      for (std::size_t i = 0; i < outputs.size(); ++i)
        inside.emplace_back(node.outputs[i], outputs[i]);
    }
    const ValueId last = graph_.node(nodes.back()).outputs[0];
    builder.add_output(find(last)->second, graph_.value(last).name);
    return builder.take();
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<NodeId> order_;
  std::vector<std::size_t> place_;  // in that order, by node
  std::vector<bool> taken_;         // by a fused node
};

int run(Graph& graph, const PassContext& context) {
  if (context.target.backend != "cuda" || context.target.precise) return 0;
  return Fuser(graph, context).run();
}

}  // namespace

Pass fuse_moves() {
  return {
      .name = "fuse_moves",
      .summary = "makes one node of moves of elements and the pointwise nodes among them",
      .run = run,
  };
}

}  // namespace strop

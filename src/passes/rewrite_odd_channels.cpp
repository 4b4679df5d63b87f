// SPDX-License-Identifier: Apache-2.0
// A convolution whose filters are no multiple of eight, and whose result only moves and pointwise
// nodes read (the head of a detector), gets further filters up to that, and a slice behind it: rows
// of channels then lie at multiples of 16 bytes, as kernels on tensor cores write them, and the
// slice costs nothing where fuse_moves takes it in. The result is the same to the bit.
//
// So does one with requantised results, up to a multiple of 16, where they move and then become
// floats. The further filters repeat the last one, so that all that is said per channel (weights,
// zero points, multipliers) has further entries that are as good as the others.
//
// For GPUs; after fuse_epilogue, before fuse_moves.
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "ir/inline.hpp"
#include "ops/binary.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/fused.hpp"
#include "ops/requantize.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/table_lookup.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"
#include "passes/passes.hpp"
#include "passes/quantized_value.hpp"

namespace strop {
namespace {

constexpr std::int64_t kRowBytes = 16;
constexpr std::int64_t kMultiple = 8;  // of numbers that may be stored in 16 bits
// Fewer filters are not worth a tensor core's tile.
constexpr std::int64_t kLeastFilters = 32;

bool follows_at_no_cost(const Node& node) {
  return node.is(op_reshape()) || node.is(op_transpose()) || node.is(op_split()) ||
         node.is(op_slice()) || node.is(op_unary()) || node.is(op_binary()) || node.is(op_concat());
}

// The tensor with its last row repeated.
Tensor with_repeated_filters(const Tensor& tensor, std::int64_t rows) {
  Shape shape = tensor.shape();
  const std::int64_t row = tensor.bytes() / shape[0];
  std::int64_t at = tensor.bytes();
  shape[0] = rows;
  Tensor out = Tensor::allocate(tensor.dtype(), shape);
  std::memcpy(out.mutable_data(), tensor.data(), static_cast<std::size_t>(at));
  for (; at < out.bytes(); at += row) {
    std::memcpy(out.mutable_data() + at, tensor.data() + tensor.bytes() - row,
                static_cast<std::size_t>(row));
  }
  return out;
}

class Rewriter {
 public:
  Rewriter(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int rewritten = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      if (is_wanted(node)) {
        widen(node, kMultiple);
      } else if (is_wanted_in_bytes(node)) {
        widen(node, kRowBytes);
      } else {
        continue;
      }
      ++rewritten;
    }
    return rewritten;
  }

 private:
  bool is_wanted(const Node& node) const {
    const Value& result = graph_.value(node.outputs[0]);
    return node.is(op_conv()) && node.as<ConvAttributes>().group == 1 &&
           has_odd_filters(node, kMultiple) && !graph_.is_output(node.outputs[0]) &&
           !result.uses.empty() && std::ranges::all_of(result.uses, [&](const Use& use) {
             return follows_at_no_cost(graph_.node(use.node));
           });
  }

  // A convolution, its requantisation and perhaps a table, as fuse_epilogue joins them.
  bool is_wanted_in_bytes(const Node& node) const {
    if (!node.is(op_fused())) return false;
    const Graph& body = body_of(node);
    const std::vector<NodeId>& nodes = body.order();
    if (nodes.size() < 2 || nodes.size() > 3) return false;
    const Node &conv = body.node(nodes[0]), &requantize = body.node(nodes[1]);
    if (!conv.is(op_conv_integer()) || conv.as<ConvAttributes>().group != 1) return false;
    if (!requantize.is(op_requantize()) || requantize.input(3).exists() ||
        requantize.as<RequantizeAttributes>().axis != 1) {
      return false;
    }
    if (nodes.size() == 3 && !body.node(nodes[2]).is(op_table_lookup())) return false;
    return has_odd_filters(node, kRowBytes) && becomes_floats(node.outputs[0]);
  }

  bool has_odd_filters(const Node& node, std::int64_t multiple) const {
    const Type& result = graph_.value(node.outputs[0]).type;
    if (result.rank() != 4 || !(*result.shape)[1].is_constant()) return false;
    const std::int64_t filters = (*result.shape)[1].value();
    return filters % multiple != 0 && filters >= kLeastFilters &&
           std::ranges::all_of(inputs_of_filters(node), [&](std::size_t i) {
             return graph_.value(node.inputs[i]).is_constant();
           });
  }

  // Those that have one entry for each filter, or one number for all.
  static std::vector<std::size_t> inputs_of_filters(const Node& node) {
    std::vector<std::size_t> out;
    if (!node.is(op_fused())) {
      for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        if (node.inputs[i].exists()) out.push_back(i);
      }
      return out;
    }
    const Graph& body = body_of(node);
    const auto add = [&](ValueId inside) {
      const auto at = std::ranges::find(body.inputs(), inside);
      if (!inside.exists()) return;
      STROP_CHECK(at != body.inputs().end(), "what a body reads from outside is an input of it");
      out.push_back(static_cast<std::size_t>(at - body.inputs().begin()));
    };
    const std::vector<NodeId>& nodes = body.order();
    for (const std::size_t i : {1, 3, 4}) add(body.node(nodes[0]).input(i));
    for (const std::size_t i : {1, 2}) add(body.node(nodes[1]).input(i));
    return out;
  }

  // Whether they are moved and then become floats, which fuse_moves makes one node of.
  bool becomes_floats(ValueId bytes) const {
    while (graph_.has_single_use(bytes)) {
      const Node& next = graph_.node(graph_.value(bytes).uses[0].node);
      if (next.is(op_dequantize_linear()))
        return next.inputs[0] == bytes && dequantized(graph_, next.outputs[0]).has_value();
      if (!next.is(op_reshape()) && !next.is(op_transpose()) && !next.is(op_slice())) return false;
      bytes = next.outputs[0];
    }
    return false;
  }

  void widen(const Node& node, std::int64_t multiple) {
    const std::int64_t filters = (*graph_.value(node.outputs[0]).type.shape)[1].value();
    const std::int64_t all = (filters + multiple - 1) / multiple * multiple;
    Patch patch(graph_, "add " + std::to_string(all - filters) + " filters to " + label_of(node));
    patch.descend_from(node);
    std::vector<ValueId> inputs = node.inputs;
    for (const std::size_t i : inputs_of_filters(node)) {
      const Tensor& given = graph_.value(node.inputs[i]).constant;
      const bool is_list = given.rank() > 0 && given.dim(0) == filters;
      if (is_list && inputs[i] == node.inputs[i])
        inputs[i] = patch.constant(with_repeated_filters(given, all));
    }
    Emitter::Options options;
    options.name = node.name;
    if (node.is(op_fused())) options.subgraphs.push_back(body_for(node, patch, inputs));
    const ValueId wide =
        patch.emit(*node.op, node.attributes, std::move(inputs), 1, std::move(options))[0];
    const ValueId narrow =
        patch.emit(op_slice(), Attributes(),
                   {wide, patch.integers({0}), patch.integers({filters}), patch.integers({1})});
    patch.replace(node.outputs[0], narrow);
    context_.apply(patch, graph_);
  }

  // The node's body, for inputs of other sizes.
  std::shared_ptr<const Graph> body_for(const Node& node, const Patch& patch,
                                        const std::vector<ValueId>& inputs) const {
    const Graph& body = body_of(node);
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "body/");
    std::vector<ValueId> arguments;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      arguments.push_back(
          builder.add_input(body.value(body.inputs()[i]).name, patch.type(inputs[i])));
    const ValueId result = emit_graph(builder, body, arguments)[0];
    builder.add_output(result, body.value(body.outputs()[0]).name);
    return std::make_shared<const Graph>(builder.take());
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  if (context.target.backend != "cuda" || context.target.precise) return 0;
  return Rewriter(graph, context).run();
}

}  // namespace

Pass rewrite_odd_channels() {
  return {
      .name = "rewrite_odd_channels",
      .summary = "makes the filters of convolutions before moves a multiple of eight, or of 16",
      .run = run,
  };
}

}  // namespace strop

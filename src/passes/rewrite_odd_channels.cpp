// SPDX-License-Identifier: Apache-2.0
// A convolution whose filters are no multiple of eight, and whose result only moves and pointwise
// nodes read (the head of a detector), gets filters of zeros up to that, and a slice behind it:
// rows of channels then lie at multiples of 16 bytes, as kernels on tensor cores write them, and
// the slice costs nothing where fuse_moves takes it in. The result is the same to the bit.
//
// For GPUs; before fuse_moves.
#include <algorithm>
#include <cstring>

#include "ops/binary.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMultiple = 8;
// Fewer filters are not worth a tensor core's tile.
constexpr std::int64_t kLeastFilters = 32;

bool follows_at_no_cost(const Node& node) {
  return node.is(op_reshape()) || node.is(op_transpose()) || node.is(op_split()) ||
         node.is(op_slice()) || node.is(op_unary()) || node.is(op_binary()) || node.is(op_concat());
}

// The tensor with further rows of zeros.
Tensor with_rows(const Tensor& tensor, std::int64_t rows) {
  Shape shape = tensor.shape();
  shape[0] = rows;
  Tensor out = Tensor::zeros(tensor.dtype(), shape);
  std::memcpy(out.mutable_data(), tensor.data(), static_cast<std::size_t>(tensor.bytes()));
  return out;
}

class Rewriter {
 public:
  Rewriter(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int rewritten = 0;
    for (const NodeId id : order) {
      if (!is_wanted(graph_.node(id))) continue;
      rewrite(graph_.node(id));
      ++rewritten;
    }
    return rewritten;
  }

 private:
  bool is_wanted(const Node& node) const {
    if (!node.is(op_conv()) || node.as<ConvAttributes>().group != 1) return false;
    const Value& weights = graph_.value(node.inputs[1]);
    const bool has_bias = node.input(2).exists();
    if (!weights.is_constant() || (has_bias && !graph_.value(node.inputs[2]).is_constant()))
      return false;
    const std::int64_t filters = weights.constant.dim(0);
    const Value& result = graph_.value(node.outputs[0]);
    return filters % kMultiple != 0 && filters >= kLeastFilters && result.type.rank() == 4 &&
           !graph_.is_output(node.outputs[0]) && !result.uses.empty() &&
           std::ranges::all_of(result.uses, [&](const Use& use) {
             return follows_at_no_cost(graph_.node(use.node));
           });
  }

  void rewrite(const Node& node) {
    const std::int64_t filters = graph_.value(node.inputs[1]).constant.dim(0);
    const std::int64_t padded = (filters + kMultiple - 1) / kMultiple * kMultiple;
    Patch patch(graph_, "add " + std::to_string(padded - filters) + " filters of zeros to " +
                            label_of(node));
    patch.descend_from(node);
    std::vector<ValueId> inputs = node.inputs;
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i].exists())
        inputs[i] = patch.constant(with_rows(graph_.value(inputs[i]).constant, padded));
    }
    Emitter::Options options;
    options.name = node.name;
    const ValueId wide =
        patch.emit(op_conv(), node.attributes, std::move(inputs), 1, std::move(options))[0];
    const ValueId narrow =
        patch.emit(op_slice(), Attributes(),
                   {wide, patch.integers({0}), patch.integers({filters}), patch.integers({1})});
    patch.replace(node.outputs[0], narrow);
    context_.apply(patch, graph_);
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
      .summary = "makes the filters of convolutions before moves a multiple of eight",
      .run = run,
  };
}

}  // namespace strop

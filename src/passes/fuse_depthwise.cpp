// SPDX-License-Identifier: Apache-2.0
// A convolution of single pixels (1 x 1) and the depthwise convolution that alone reads its result,
// each with the pointwise nodes that belong to it, become one `fused` node: a kernel can make the
// lines that the second one's windows see just before they are read, so that the large tensor
// between them is never written to memory. The body is one chain; the result is the same to the
// bit.
//
// For the CPU, where the tensor between does not fit the caches nearest to a core. Goes after
// fuse_epilogue.
#include <algorithm>

#include "ops/clip.hpp"
#include "ops/conv.hpp"
#include "ops/fused.hpp"
#include "ops/unary.hpp"
#include "passes/join_nodes.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr std::int64_t kLeastBytes = 1536 * 1024;  // of an image between the two

// A convolution, alone or the first node of a fused one.
const Node* leading_conv(const Node& node) {
  if (node.is(op_conv())) return &node;
  if (!node.is(op_fused())) return nullptr;
  const Graph& body = *node.subgraphs.at(0);
  const Node& first = body.node(body.order().front());
  return first.is(op_conv()) ? &first : nullptr;
}

// Where the node's input that the convolution reads as its operand i comes from; the convolution's
// own where it stands alone.
ValueId operand(const Node& node, const Node& conv, std::size_t i) {
  if (!conv.input(i).exists() || &node == &conv) return conv.input(i);
  const auto inputs = node.subgraphs.at(0)->inputs();
  const auto at = std::ranges::find(inputs, conv.inputs[i]);
  return at == inputs.end() ? ValueId{}
                            : node.inputs[static_cast<std::size_t>(at - inputs.begin())];
}

bool all_are(const std::vector<std::int64_t>& values, std::int64_t wanted) {
  return std::ranges::all_of(values, [wanted](std::int64_t value) { return value == wanted; });
}

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      const Node* const depthwise = &graph_.node(id);
      if (!is_depthwise(*depthwise)) continue;
      const Value& between = graph_.value(operand(*depthwise, *leading_conv(*depthwise), 0));
      if (!between.producer.exists()) continue;
      const Node& expand = graph_.node(between.producer);
      if (!is_expand(expand) || !graph_.has_single_use(expand.outputs[0])) continue;
      join_nodes(graph_, context_, expand, *depthwise);
      ++fused;
    }
    return fused;
  }

 private:
  // Four axes of f32 and constant weights; their shape.
  std::optional<Shape> weights_of(const Node& node, const Node& conv) const {
    const ValueId w = operand(node, conv, 1);
    if (!w.exists() || !graph_.value(w).is_constant()) return std::nullopt;
    const Tensor& weights = graph_.value(w).constant;
    if (weights.dtype() != DType::f32 || weights.rank() != 4 || weights.size() == 0)
      return std::nullopt;
    return weights.shape();
  }

  bool is_depthwise(const Node& node) const {
    const Node* conv = leading_conv(node);
    if (conv == nullptr || node.outputs.size() != 1) return false;
    const auto weights = weights_of(node, *conv);
    const auto& attributes = conv->as<ConvAttributes>();
    return weights && attributes.group == (*weights)[0] && (*weights)[0] > 1 &&
           (*weights)[1] == 1 && all_are(attributes.dilations, 1) &&
           attributes.auto_pad == AutoPad::explicit_pads &&
           (attributes.pads.empty() ||
            (attributes.pads[0] < (*weights)[2] && attributes.pads[1] < (*weights)[3]));
  }

  bool is_expand(const Node& node) const {
    const Node* conv = leading_conv(node);
    if (conv == nullptr || node.outputs.size() != 1) return false;
    const auto weights = weights_of(node, *conv);
    const auto& attributes = conv->as<ConvAttributes>();
    if (!weights || (*weights)[2] != 1 || (*weights)[3] != 1 || attributes.group != 1 ||
        !all_are(attributes.strides, 1) || !all_are(attributes.pads, 0)) {
      return false;
    }
    if (node.is(op_fused())) {  // behind it functions of one value
      const Graph& body = *node.subgraphs.at(0);
      for (const NodeId id : body.order()) {
        const Node& step = body.node(id);
        if (&step != conv && !step.is(op_unary()) && !step.is(op_clip())) return false;
      }
    }
    const Type& y = graph_.value(node.outputs[0]).type;
    if (!y.shape || !(*y.shape)[2].is_constant() || !(*y.shape)[3].is_constant()) return false;
    const std::int64_t height = (*y.shape)[2].value(), width = (*y.shape)[3].value();
    const auto pixels = try_mul(height, width);
    const auto bytes = pixels ? try_mul(*pixels, (*weights)[0] * 4) : std::nullopt;
    return bytes && *bytes >= kLeastBytes;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.backend == "cpu" ? Fuser(graph, context).run() : 0;
}

}  // namespace

Pass fuse_depthwise() {
  return {
      .name = "fuse_depthwise",
      .summary = "joins a 1 x 1 convolution and the depthwise one after it, for the CPU",
      .run = run,
  };
}

}  // namespace strop

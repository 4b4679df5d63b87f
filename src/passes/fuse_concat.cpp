// SPDX-License-Identifier: Apache-2.0
// A concat of channels goes into each of the 1 x 1 convolutions behind it, which become `fused`
// nodes that begin with it: the product reads the pieces where they lie, and the joined tensor is
// never written to memory. Only where such convolutions are all that read it: otherwise it is made
// anyway. The result is the same to the bit.
//
// For GPUs whose kernel copies blocks of channels from any of several tensors (wgmma; halves, and
// bytes that are requantised); each piece holds whole blocks. Goes after fuse_epilogue, whose nodes
// it takes, and before fuse_moves, which would take the concat. Whether a kernel takes the node is
// for lowering to find out; where none does, the concat is one node again, and what is behind it
// another (lower/split_fused.cpp).
#include <algorithm>

#include "ops/concat.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/fused.hpp"
#include "passes/join_nodes.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr std::size_t kMostPieces = 4;
constexpr std::int64_t kBlockBytes = 64;  // narrower ones starve the tensor cores

bool all_are(const std::vector<std::int64_t>& values, std::int64_t wanted) {
  return std::ranges::all_of(values, [wanted](std::int64_t value) { return value == wanted; });
}

bool is_half(DType type) { return type == DType::f16 || type == DType::bf16; }
bool is_byte(DType type) { return type == DType::i8 || type == DType::u8; }

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      if (!is_joined(graph_.node(id))) continue;
      const ValueId joined = graph_.node(id).outputs[0];
      const std::vector<Use> uses = graph_.value(joined).uses;
      if (uses.empty() || graph_.is_output(joined)) continue;
      if (!std::ranges::all_of(uses, [&](const Use& use) { return is_product_of(use, joined); }))
        continue;
      for (const Use& use : uses) {
        join_nodes(graph_, context_, graph_.node(id), graph_.node(use.node));
        ++fused;
      }
    }
    return fused;
  }

 private:
  // A concat of the channels of images in halves or bytes, each of whole blocks.
  bool is_joined(const Node& node) const {
    if (!node.is(op_concat()) || node.inputs.size() < 2 || node.inputs.size() > kMostPieces)
      return false;
    const Type& type = graph_.value(node.outputs[0]).type;
    if ((!is_half(type.dtype) && !is_byte(type.dtype)) || type.rank() < 3 || type.rank() > 4 ||
        normalize_axis(node.as<ConcatAttributes>().axis, type.rank()) != 1)
      return false;
    return std::ranges::all_of(node.inputs, [&](ValueId id) {
      const Value& piece = graph_.value(id);
      if (piece.is_constant() || !piece.type.shape || piece.type.rank() != type.rank())
        return false;
      const Dim& channels = (*piece.type.shape)[1];
      const std::int64_t block = kBlockBytes * 8 / bits_of(type.dtype);
      return channels.is_constant() && channels.value() > 0 && channels.value() % block == 0;
    });
  }

  // Whether the reader is a convolution of single pixels, with what fuse_epilogue gave it, that
  // reads the value as its input alone.
  bool is_product_of(const Use& use, ValueId joined) const {
    const Node& reader = graph_.node(use.node);
    if (reader.outputs.size() != 1 || std::ranges::count(reader.inputs, joined) != 1) return false;
    const Node* conv = &reader;
    if (reader.is(op_fused())) {
      const Graph& body = body_of(reader);
      conv = &body.node(body.order().front());
      if (conv->inputs.empty() || conv->inputs[0] != body.inputs()[use.input]) return false;
    } else if (use.input != 0) {
      return false;
    }
    const bool bytes = is_byte(graph_.value(joined).type.dtype);
    return conv->is(bytes ? op_conv_integer() : op_conv()) && (!bytes || reader.is(op_fused())) &&
           has_single_pixels(reader, *conv);
  }

  bool has_single_pixels(const Node& reader, const Node& conv) const {
    const auto& attributes = conv.as<ConvAttributes>();
    if (attributes.group != 1 || !all_are(attributes.strides, 1) || !all_are(attributes.pads, 0) ||
        (attributes.auto_pad != AutoPad::explicit_pads && attributes.auto_pad != AutoPad::valid))
      return false;
    // Weights, and a bias or zero points.
    for (std::size_t i = 1; i < conv.inputs.size(); ++i) {
      if (conv.inputs[i].exists() && !is_constant(operand_of_anchor(reader, conv, i))) return false;
    }
    const Tensor& weights = graph_.value(operand_of_anchor(reader, conv, 1)).constant;
    return weights.size() > 0 && weights.size() == weights.dim(0) * weights.dim(1);
  }

  bool is_constant(ValueId id) const { return id.exists() && graph_.value(id).is_constant(); }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  const Target& target = context.target;
  if (target.backend != "cuda" || target.compute_capability != 90) return 0;
  return Fuser(graph, context).run();
}

}  // namespace

Pass fuse_concat() {
  return {
      .name = "fuse_concat",
      .summary = "lets 1 x 1 convolutions read the pieces of a concat of channels",
      .run = run,
  };
}

}  // namespace strop

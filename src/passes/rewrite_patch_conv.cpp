// SPDX-License-Identifier: Apache-2.0
// The convolution that vision transformers cut an image into patches with, whose windows lie beside
// each other, and the moves that make rows of its result are a product of the patches' rows:
//
//   transpose(reshape(conv(x [B, C, H, W]) → [B, M, P])) → [B, P, M]  →
//       matmul(rows of patches [B, P, C * h * w], weights) + bias
//
// For a GPU, whose kernels of convolutions are made for many channels, and images of few. Sums may
// be in another order, so a precise target keeps the convolution.
#include "passes/passes.hpp"

#include <algorithm>

#include "ops/binary.hpp"
#include "ops/conv.hpp"
#include "ops/matmul.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "passes/transposed_matrix.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMostChannels = 7;  // of which a tensor copy of 16 bytes has none

struct Patches {
  std::int64_t rows = 0, columns = 0;  // of patches in an image
};

class Rewriter {
 public:
  Rewriter(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_conv(), [&](const Node& node) { return rewrite(node); });
  }

 private:
  const Type& type(ValueId id) const { return graph_.value(id).type; }

  const Node* only_user(ValueId id, const OpDef& op) const {
    if (!graph_.has_single_use(id)) return nullptr;
    const Use& use = graph_.value(id).uses[0];
    const Node& node = graph_.node(use.node);
    return node.is(op) && use.input == 0 ? &node : nullptr;
  }

  // How a 2-D convolution of few channels cuts its image, where it leaves nothing out.
  std::optional<Patches> patches_of(const Node& conv) const {
    const auto& attributes = conv.as<ConvAttributes>();
    const Value& w = graph_.value(conv.inputs[1]);
    const Type& x = type(conv.inputs[0]);
    if (!w.is_constant() || w.constant.rank() != 4 || w.constant.size() == 0 || x.rank() != 4 ||
        attributes.group != 1 || w.constant.dim(1) > kMostChannels ||
        std::ranges::any_of(attributes.dilations, [](std::int64_t d) { return d != 1; }) ||
        std::ranges::any_of(attributes.pads, [](std::int64_t p) { return p != 0; }) ||
        (attributes.auto_pad != AutoPad::explicit_pads && attributes.auto_pad != AutoPad::valid)) {
      return std::nullopt;
    }
    std::int64_t count[2];
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t kernel = w.constant.dim(static_cast<std::int64_t>(i) + 2);
      const Dim& size = (*x.shape)[i + 2];
      if (!size.is_constant() || size.value() < 1 || size.value() % kernel != 0 ||
          i >= attributes.strides.size() || attributes.strides[i] != kernel) {
        return std::nullopt;
      }
      count[i] = size.value() / kernel;
    }
    // One element a patch is no patch.
    if (w.constant.dim(2) * w.constant.dim(3) < 2) return std::nullopt;
    return Patches{count[0], count[1]};
  }

  bool rewrite(const Node& conv) {
    const auto patches = patches_of(conv);
    const Node* reshape = only_user(conv.outputs[0], op_reshape());
    const Node* transpose =
        reshape != nullptr ? only_user(reshape->outputs[0], op_transpose()) : nullptr;
    if (!patches || transpose == nullptr ||
        transpose->as<TransposeAttributes>().perm != std::vector<std::int64_t>{0, 2, 1}) {
      return false;
    }
    const Tensor& w = graph_.value(conv.inputs[1]).constant;
    const std::int64_t count = patches->rows * patches->columns;
    const Type &image = type(conv.outputs[0]), &flat = type(reshape->outputs[0]);
    if (!flat.shape || flat.rank() != 3 || !((*flat.shape)[0] == (*image.shape)[0]) ||
        !(*flat.shape)[1].is(w.dim(0)) || !(*flat.shape)[2].is(count)) {
      return false;
    }
    if (conv.input(2).exists() && !graph_.value(conv.inputs[2]).is_constant()) return false;

    Patch patch(graph_, "rewrite " + label_of(conv) + " as a product of patches");
    for (const Node* node : {&conv, reshape, transpose}) patch.descend_from(*node);
    const std::int64_t row = w.dim(1) * w.dim(2) * w.dim(3);
    const auto reshaped = [&](ValueId x, const std::vector<std::int64_t>& sizes) {
      return patch.emit(op_reshape(), ReshapeAttributes{}, {x, patch.integers(sizes)});
    };
    // The first size stays as it is.
    ValueId x = reshaped(conv.inputs[0],
                         {0, w.dim(1), patches->rows, w.dim(2), patches->columns, w.dim(3)});
    x = patch.emit(op_transpose(), TransposeAttributes{.perm = {0, 2, 4, 1, 3, 5}}, {x});
    x = reshaped(x, {0, count, row});
    ValueId y =
        patch.emit(op_matmul(), {}, {x, patch.constant(transposed(w.reshaped({w.dim(0), row})))});
    if (conv.input(2).exists()) {
      y = patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::add},
                     {y, conv.inputs[2]});
    }
    patch.replace(transpose->outputs[0], y);
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  if (context.target.precise || context.target.backend != "cuda") return 0;
  return Rewriter(graph, context).run();
}

}  // namespace

Pass rewrite_patch_conv() {
  return {
      .name = "rewrite_patch_conv",
      .summary = "makes the convolution that cuts an image into rows of patches a matrix product",
      .run = run,
  };
}

}  // namespace strop

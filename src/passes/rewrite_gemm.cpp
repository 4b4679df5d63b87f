// SPDX-License-Identifier: Apache-2.0
// A gemm of rows that were put together before it and are taken apart after it is a matmul over
// their axes, plus the bias:
//
//   reshape(gemm(reshape(x [.., a.., b..] → [M, K]), W) + c → [.., N])  →
//       matmul(reshape(x → [.., K]), W) + c
//
// which others recognise: a bias before an activation, rows that are transposed. W is a constant
// matrix, and turned where the gemm reads it transposed; c is a constant vector of columns. Sums
// are the same; 16-bit results are rounded before the bias too, so a precise target keeps them.
#include "passes/passes.hpp"

#include "ops/binary.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "ops/reshape.hpp"
#include "passes/transposed_matrix.hpp"

namespace strop {
namespace {

class Rewriter {
 public:
  Rewriter(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_gemm(), [&](const Node& node) { return rewrite(node); });
  }

 private:
  const Type& type(ValueId id) const { return graph_.value(id).type; }

  // The reshape that alone reads `id`.
  const Node* reshape_after(ValueId id) const {
    if (!graph_.has_single_use(id)) return nullptr;
    const Node& node = graph_.node(graph_.value(id).uses[0].node);
    return node.is(op_reshape()) && node.inputs[0] == id ? &node : nullptr;
  }

  bool rewrite(const Node& gemm) {
    const auto& attributes = gemm.as<GemmAttributes>();
    const Value& weights = graph_.value(gemm.inputs[1]);
    const bool bias = gemm.input(2).exists();
    const DType dtype = type(gemm.outputs[0]).dtype;
    if (attributes.trans_a || attributes.alpha != 1 || (bias && attributes.beta != 1) ||
        !kFloats.contains(dtype) || !weights.is_constant() || weights.constant.rank() != 2) {
      return false;
    }
    if (context_.target.precise && dtype != DType::f32 && dtype != DType::f64) return false;
    const std::int64_t k = weights.constant.dim(attributes.trans_b ? 1 : 0);
    const std::int64_t n = weights.constant.dim(attributes.trans_b ? 0 : 1);
    if (bias) {
      const Value& c = graph_.value(gemm.inputs[2]);
      if (!c.is_constant() || c.constant.rank() != 1 || c.constant.dim(0) != n) return false;
    }
    const Node* before = graph_.producer(gemm.inputs[0]);
    const Node* after = reshape_after(gemm.outputs[0]);
    if (before == nullptr || !before->is(op_reshape()) || after == nullptr || k < 1) return false;
    const Type &from = type(before->inputs[0]), &to = type(after->outputs[0]);
    if (!from.shape || !to.shape || to.rank() < 3 || from.rank() < to.rank() ||
        !to.shape->back().is(n)) {
      return false;
    }
    // The rows' axes are those of x; its other axes make a row.
    const auto rows = static_cast<std::size_t>(to.rank()) - 1;
    for (std::size_t i = 0; i < rows; ++i) {
      if (!((*from.shape)[i] == (*to.shape)[i])) return false;
    }
    if (!product({from.shape->begin() + static_cast<std::ptrdiff_t>(rows), from.shape->end()})
             .is(k)) {
      return false;
    }
    Patch patch(graph_, "rewrite " + label_of(gemm) + " as a matmul over the axes of its rows");
    for (const Node* node : {before, &gemm, after}) patch.descend_from(*node);
    ValueId x = before->inputs[0];
    if (from.rank() > to.rank()) {
      std::vector<std::int64_t> sizes(rows, 0);  // as they are
      sizes.push_back(k);
      x = patch.emit(op_reshape(), ReshapeAttributes{}, {x, patch.integers(sizes)});
    }
    const ValueId w =
        attributes.trans_b ? patch.constant(transposed(weights.constant)) : gemm.inputs[1];
    ValueId y = patch.emit(op_matmul(), {}, {x, w});
    if (bias)
      y = patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::add},
                     {y, gemm.inputs[2]});
    patch.replace(after->outputs[0], y);
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) { return Rewriter(graph, context).run(); }

}  // namespace

Pass rewrite_gemm() {
  return {
      .name = "rewrite_gemm",
      .summary = "makes a gemm between reshapes of its rows a matmul over the axes of the rows",
      .run = run,
  };
}

}  // namespace strop

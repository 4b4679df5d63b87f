// SPDX-License-Identifier: Apache-2.0
// A layer normalisation between products becomes part of both. With m the mean of a row of x and r
// the inverse of its deviation,
//
//   (scale * (x - m) * r + bias) W = r * x (scale * W - means of its columns) + bias W,
//
// so that the product behind reads x itself and scales what it makes of a row, and the product that
// makes x gives each row's sums and sums of squares beside it. The graph keeps saying what is
// computed: a `fused` node of the product before and row_sums, with two outputs, and `fused` nodes
// that begin with normalize_by_sums; how is for the kernel.
//
// For GPUs whose kernel does so (wgmma, of halves), and not for a precise target: x is not rounded
// between normalisation and product, and sums are others. Where rows may be few a product by one
// block of rows is worth more, so they must be known to be many. Goes after fuse_epilogue, whose
// nodes it takes. Where no kernel takes a node, lower/split_fused.cpp makes single nodes of it.
#include <algorithm>
#include <cmath>

#include "base/float_types.hpp"
#include "ops/fused.hpp"
#include "ops/layer_norm.hpp"
#include "ops/matmul.hpp"
#include "ops/normalize_by_sums.hpp"
#include "ops/row_sums.hpp"
#include "passes/join_nodes.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr std::int64_t kBlock = 64;  // columns that the kernel sums together
constexpr std::int64_t kFewestRows = 64;

bool is_half(DType type) { return type == DType::f16 || type == DType::bf16; }

class Folder {
 public:
  Folder(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    return static_cast<int>(std::ranges::count_if(order, [this](NodeId id) {
      if (!can_fold(graph_.node(id))) return false;
      fold(id);
      return true;
    }));
  }

 private:
  bool can_fold(const Node& node) const {
    if (!node.is(op_layer_norm()) || !node.as<LayerNormAttributes>().centred) return false;
    if (node.outputs.size() > 1 &&
        std::ranges::any_of(node.outputs.begin() + 1, node.outputs.end(), [&](ValueId statistic) {
          return statistic.exists() &&
                 (!graph_.value(statistic).uses.empty() || graph_.is_output(statistic));
        }))
      return false;
    const Type& type = graph_.value(node.inputs[0]).type;
    if (!is_half(type.dtype) || !has_many_rows(type) ||
        normalize_axis(node.as<LayerNormAttributes>().axis, type.rank()) != type.rank() - 1)
      return false;
    const std::int64_t size = type.shape->back().value();
    return is_vector(node.input(1), size) && is_vector(node.input(2), size) &&
           makes_columns(node.inputs[0], size) && products_read(node.outputs[0], node.input(1));
  }

  // Rows of whole blocks.
  static bool has_many_rows(const Type& type) {
    if (!type.shape || type.rank() < 2) return false;
    const Dim& size = type.shape->back();
    std::int64_t rows = 1;
    for (std::size_t axis = 0; axis + 1 < type.shape->size(); ++axis) {
      const Dim& dim = (*type.shape)[axis];
      if (dim.is_constant()) rows *= std::clamp<std::int64_t>(dim.value(), 0, kFewestRows);
      rows = std::min(rows, kFewestRows);
    }
    return rows >= kFewestRows && size.is_constant() && size.value() > 0 &&
           size.value() % kBlock == 0;
  }

  bool is_vector(ValueId id, std::int64_t size) const {
    if (!id.exists()) return true;
    const Value& value = graph_.value(id);
    return value.is_constant() && value.constant.rank() == 1 && value.constant.size() == size;
  }

  // Whether it is a product by a constant matrix, with what fuse_epilogue gave it.
  bool makes_columns(ValueId x, std::int64_t size) const {
    const NodeId producer = graph_.value(x).producer;
    if (!producer.exists()) return false;
    const Node& node = graph_.node(producer);
    const Tensor* weights = node.outputs.size() == 1 ? matrix_of(node) : nullptr;
    return weights != nullptr && weights->dim(1) == size && weights->dtype() == type_of(x);
  }

  // Whether products by constant matrices, whose first operand it is, are all that read the value,
  // and the matrices scaled hold no number that is too large.
  bool products_read(ValueId y, ValueId scale) const {
    const Value& value = graph_.value(y);
    return !value.uses.empty() && !graph_.is_output(y) &&
           std::ranges::all_of(value.uses, [&](const Use& use) {
             const Node& reader = graph_.node(use.node);
             const Tensor* weights = reader.outputs.size() == 1 ? matrix_of(reader) : nullptr;
             return weights != nullptr && weights->dtype() == type_of(y) &&
                    type_of(reader.outputs[0]) == type_of(y) &&
                    std::ranges::count(reader.inputs, y) == 1 && first_operand(reader) == y &&
                    stays_finite(*weights, scale);
           });
  }

  // Of scaled weights less a mean of them.
  bool stays_finite(const Tensor& weights, ValueId scale) const {
    const double factor = scale.exists() ? largest_of(graph_.value(scale).constant) : 1;
    return 2 * factor * largest_of(weights) <= (weights.dtype() == DType::f16 ? 65504.0 : 3e38);
  }

  static double largest_of(const Tensor& tensor) {
    double largest = 0;
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      const double value = std::abs(load_as_double(tensor.dtype(), tensor.data(), i));
      if (!(value <= largest)) largest = value;
    }
    return largest;
  }

  DType type_of(ValueId id) const { return graph_.value(id).type.dtype; }

  // The matmul that the node is or begins with; null: none.
  static const Node* matmul_of(const Node& node) {
    const Node* first = &node;
    if (node.is(op_fused())) {
      const Graph& body = body_of(node);
      if (node.as<FusedAttributes>().moves || body.order().empty()) return nullptr;
      first = &body.node(body.order()[0]);
    }
    return first->is(op_matmul()) ? first : nullptr;
  }

  static ValueId first_operand(const Node& node) {
    return operand_of_anchor(node, *matmul_of(node), 0);
  }

  // The constant matrix that the node multiplies by; null: none.
  const Tensor* matrix_of(const Node& node) const {
    const Node* matmul = matmul_of(node);
    if (matmul == nullptr) return nullptr;
    const ValueId id = operand_of_anchor(node, *matmul, 1);
    if (!id.exists() || !graph_.value(id).is_constant()) return nullptr;
    const Tensor& weights = graph_.value(id).constant;
    return weights.rank() == 2 && weights.size() > 0 ? &weights : nullptr;
  }

  void fold(NodeId norm) {
    const Node& node = graph_.node(norm);
    const ValueId x = node.inputs[0];
    const NodeId producer = graph_.value(x).producer;
    std::vector<NodeId> readers;
    for (const Use& use : graph_.value(node.outputs[0]).uses) readers.push_back(use.node);
    Patch patch(graph_, "normalise by sums at " + label_of(node));
    patch.descend_from(node);
    Emitter::Options named;
    named.output_names = {graph_.value(x).name + "_sums"};
    const ValueId sums =
        patch.emit(op_row_sums(), RowSumsAttributes{kBlock}, {x}, 1, std::move(named))[0];
    Emitter::Options options;
    options.name = node.name;
    const ValueId y = patch.emit(op_normalize_by_sums(),
                                 NormalizeBySumsAttributes{node.as<LayerNormAttributes>().epsilon},
                                 {x, sums, node.input(1), node.input(2)}, 1, std::move(options))[0];
    patch.replace(node.outputs[0], y);
    context_.apply(patch, graph_);
    for (const NodeId reader : readers)
      join_nodes(graph_, context_, graph_.node(graph_.value(y).producer), graph_.node(reader));
    join_nodes(graph_, context_, graph_.node(producer), graph_.node(graph_.value(sums).producer),
               Between::kept);
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  const Target& target = context.target;
  if (target.backend != "cuda" || target.compute_capability != 90 || target.precise) return 0;
  return Folder(graph, context).run();
}

}  // namespace

Pass fold_layer_norm() {
  return {
      .name = "fold_layer_norm",
      .summary =
          "lets products around a layer normalisation sum its rows and scale what they make of "
          "them",
      .run = run,
  };
}

}  // namespace strop

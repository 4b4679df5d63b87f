// SPDX-License-Identifier: Apache-2.0
// The matrix products that make queries, keys and values of one attention from one input become
// one product with the matrices side by side, whose columns are split:
//
//   x Wq + bq, x Wk + bk, x Wv + bv  →  split(x [Wq Wk Wv] + [bq bk bv])
//
// One wide product uses a processor better than three narrow ones, and fuse_attention_layout lets
// the attention read the columns where they lie. Every sum is the same as before. Weights are
// constant matrices; biases, on all of the products or on none, constant vectors.
#include "passes/passes.hpp"

#include <algorithm>
#include <cstring>

#include "ops/attention.hpp"
#include "ops/binary.hpp"
#include "ops/matmul.hpp"
#include "ops/packed_heads_support.hpp"
#include "ops/split.hpp"

namespace strop {
namespace {

struct Projection {
  ValueId result;  // with the bias
  ValueId x, weights, bias;
};

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_attention(), [&](const Node& node) { return fuse(node); });
  }

 private:
  const Tensor* constant(ValueId id, std::int64_t rank) const {
    const Value& value = graph_.value(id);
    const bool fits = value.is_constant() && value.constant.rank() == rank;
    return fits ? &value.constant : nullptr;
  }

  // x W, or x W + b; the result is what the heads are cut from.
  std::optional<Projection> projection(ValueId id) const {
    Projection out{.result = id, .x = {}, .weights = {}, .bias = {}};
    const Node* node = graph_.producer(id);
    if (node != nullptr && node->is(op_binary()) &&
        node->as<BinaryAttributes>().function == BinaryFunction::add) {
      const std::size_t at = constant(node->inputs[0], 1) != nullptr ? 0 : 1;
      const Tensor* bias = constant(node->inputs[at], 1);
      const ValueId product = node->inputs[1 - at];
      if (bias == nullptr || !graph_.has_single_use(product) ||
          !(graph_.value(product).type == graph_.value(id).type)) {
        return std::nullopt;
      }
      out.bias = node->inputs[at];
      node = graph_.producer(product);
    }
    if (node == nullptr || !node->is(op_matmul())) return std::nullopt;
    const Tensor* weights = constant(node->inputs[1], 2);
    if (weights == nullptr || bits_of(weights->dtype()) % 8 != 0 || weights->dim(1) < 1)
      return std::nullopt;
    // A single number would be broadcast.
    if (out.bias.exists() && graph_.value(out.bias).constant.dim(0) != weights->dim(1))
      return std::nullopt;
    out.x = node->inputs[0];
    out.weights = node->inputs[1];
    return graph_.value(out.x).type.rank() == 3 ? std::optional(out) : std::nullopt;
  }

  bool fuse(const Node& attention) {
    std::vector<Projection> parts;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto heads = packed_heads(graph_, attention.inputs[i]);
      if (!heads) return false;
      const auto part = projection(heads->source);
      if (!part) return false;
      // Already one, or two of them are.
      if (std::ranges::any_of(parts, [&](const Projection& p) { return p.result == part->result; }))
        return false;
      if (graph_.is_output(part->result)) return false;
      parts.push_back(*part);
    }
    for (const Projection& part : parts) {
      if (part.x != parts[0].x || part.bias.exists() != parts[0].bias.exists()) return false;
      const Tensor& weights = graph_.value(part.weights).constant;
      const Tensor& first = graph_.value(parts[0].weights).constant;
      if (weights.dim(0) != first.dim(0) || weights.dtype() != first.dtype()) return false;
    }
    Patch patch(graph_, "fuse the projections of " + label_of(attention));
    std::vector<std::int64_t> sizes;
    std::vector<const Tensor*> weights, biases;
    for (const Projection& part : parts) {
      patch.descend_from(*graph_.producer(part.result));
      weights.push_back(&graph_.value(part.weights).constant);
      sizes.push_back(weights.back()->dim(1));
      if (part.bias.exists()) biases.push_back(&graph_.value(part.bias).constant);
    }
    ValueId y = patch.emit(op_matmul(), {}, {parts[0].x, patch.constant(side_by_side(weights))});
    if (!biases.empty()) {
      y = patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::add},
                     {y, patch.constant(side_by_side(biases))});
    }
    const auto split =
        patch.emit(op_split(), SplitAttributes{.axis = 2}, {y, patch.integers(sizes)}, 3);
    for (std::size_t i = 0; i < 3; ++i) patch.replace(parts[i].result, split[i]);
    context_.apply(patch, graph_);
    return true;
  }

  // Joined along the last axis.
  static Tensor side_by_side(const std::vector<const Tensor*>& tensors) {
    Shape shape = tensors[0]->shape();
    shape.back() = 0;
    for (const Tensor* tensor : tensors) shape.back() += tensor->shape().back();
    Tensor out = Tensor::allocate(tensors[0]->dtype(), shape);
    const std::int64_t rows = shape.size() == 2 ? shape[0] : 1;
    const std::int64_t width = bits_of(out.dtype()) / 8;
    std::int64_t column = 0;
    for (const Tensor* tensor : tensors) {
      const std::int64_t bytes = tensor->shape().back() * width;
      for (std::int64_t row = 0; row < rows; ++row) {
        std::memcpy(out.mutable_data() + (row * shape.back() + column) * width,
                    tensor->data() + row * bytes, static_cast<std::size_t>(bytes));
      }
      column += tensor->shape().back();
    }
    return out;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) { return Fuser(graph, context).run(); }

}  // namespace

Pass fuse_attention_projections() {
  return {
      .name = "fuse_attention_projections",
      .summary = "joins the matrix products that make queries, keys and values of one input",
      .run = run,
  };
}

}  // namespace strop

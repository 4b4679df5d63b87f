// SPDX-License-Identifier: Apache-2.0
// Attention that exporters spell out becomes the operator:
//
//   softmax(scale * (q k^T) + bias) v                     Vaswani et al., arXiv:1706.03762
//
// of rank 4, with batches and heads that agree without broadcasting. Factors are numbers, before or
// after the product of queries and keys, as products or divisions; the bias is one tensor that
// broadcasts to the scores. Scores that somebody else reads are left alone. Weights whose NaN are
// replaced by zeros, where(isnan(w), 0, w), are the operator's zero_nan. A bias that is a choice
// between two numbers does not depend on conditions that are always true.
//
// The operator sums in other places than the chain, so a precise target keeps the chain. Where a
// bias of -infinity hides every key, the operator gives zeros and the chain NaN.
#include "passes/passes.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "ops/attention.hpp"
#include "ops/binary.hpp"
#include "ops/matmul.hpp"
#include "ops/select.hpp"
#include "ops/softmax.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"
#include "passes/uniform_constant.hpp"

namespace strop {
namespace {

using Perm = std::vector<std::int64_t>;

class Matcher {
 public:
  Matcher(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    return rewrite_each(graph_, op_matmul(), [&](const Node& node) { return match(node); });
  }

 private:
  const Type& type(ValueId id) const { return graph_.value(id).type; }

  const Node* producer(ValueId id, const OpDef& op) const {
    const Node* node = graph_.producer(id);
    return node != nullptr && node->is(op) ? node : nullptr;
  }
  // As above, where nobody else reads the value.
  const Node* only_producer(ValueId id, const OpDef& op) const {
    return graph_.has_single_use(id) ? producer(id, op) : nullptr;
  }

  // Looks through products with a number that change neither type nor shape; the numbers go into
  // `scale`.
  ValueId without_factors(ValueId id, bool single_use, double& scale) const {
    for (int steps = 0; steps < 4; ++steps) {
      const Node* node = single_use ? only_producer(id, op_binary()) : producer(id, op_binary());
      if (node == nullptr) return id;
      const BinaryFunction function = node->as<BinaryAttributes>().function;
      bool found = false;
      for (std::size_t i = 0; i < 2 && !found; ++i) {
        const auto number = uniform_constant(graph_.value(node->inputs[1 - i]));
        if (!number || !std::isfinite(*number) || *number == 0) continue;
        if (!(type(node->inputs[i]) == type(id))) continue;
        if (function == BinaryFunction::mul) {
          scale *= *number;
        } else if (function == BinaryFunction::div && i == 0) {
          scale /= *number;
        } else {
          continue;
        }
        id = node->inputs[i];
        found = true;
      }
      if (!found) return id;
    }
    return id;
  }

  // The scores before the bias, and the bias.
  struct Scores {
    ValueId products;
    ValueId bias;
  };
  Scores without_bias(ValueId id) const {
    const Node* sum = only_producer(id, op_binary());
    if (sum == nullptr || sum->as<BinaryAttributes>().function != BinaryFunction::add)
      return {id, {}};
    for (std::size_t i = 0; i < 2; ++i) {
      const ValueId scores = sum->inputs[i], bias = sum->inputs[1 - i];
      if (scores == bias || !(type(scores) == type(id)) || !type(bias).shape ||
          type(bias).rank() > 4 || type(bias).dtype != type(id).dtype) {
        continue;
      }
      double scale = 1;
      if (only_producer(without_factors(scores, true, scale), op_matmul()) != nullptr)
        return {scores, bias};
    }
    return {id, {}};
  }

  static bool is_identity(const Perm& perm) { return perm == Perm{0, 1, 2, 3}; }

  // The keys [B, H, L, D] of `id`, which is [B, H, D, L]: as it was before it was transposed.
  struct Keys {
    ValueId from;
    Perm perm;  // that `from` is still to be transposed by
  };
  Keys keys_of(ValueId id, double& scale) const {
    id = without_factors(id, false, scale);
    const Node* transpose = producer(id, op_transpose());
    if (transpose == nullptr) return {id, {0, 1, 3, 2}};
    Perm perm = transpose->as<TransposeAttributes>().perm;
    if (perm.empty()) perm = {3, 2, 1, 0};
    std::swap(perm[2], perm[3]);
    const ValueId from = transpose->inputs[0];
    return {is_identity(perm) ? without_factors(from, false, scale) : from, std::move(perm)};
  }

  // Softmax, or where(isnan(softmax), 0, softmax) that nobody else reads parts of.
  struct Weights {
    const Node* softmax = nullptr;
    const Node *is_nan = nullptr, *choice = nullptr;
  };
  Weights weights_of(ValueId id) const {
    Weights out{.softmax = only_producer(id, op_softmax())};
    const Node* choice = only_producer(id, op_select());
    if (choice == nullptr) return out;
    const ValueId weights = choice->inputs[2];
    const Node* is_nan = only_producer(choice->inputs[0], op_unary());
    if (is_nan == nullptr || is_nan->as<UnaryAttributes>().function != UnaryFunction::is_nan ||
        is_nan->inputs[0] != weights || !(type(weights) == type(id)) ||
        uniform_constant(graph_.value(choice->inputs[1])) != 0.0 ||
        graph_.value(weights).uses.size() != 2 || graph_.is_output(weights)) {
      return out;
    }
    return {producer(weights, op_softmax()), is_nan, choice};
  }

  // The bias without conditions of its choice that are always true, and so of fewer elements.
  // Layers share it.
  ValueId narrow_bias(ValueId id, Patch& patch) {
    const auto known = narrowed_.find(id);
    if (known != narrowed_.end()) return known->second;
    const Node* choice = producer(id, op_select());
    if (choice == nullptr || !uniform_constant(graph_.value(choice->inputs[1])) ||
        !uniform_constant(graph_.value(choice->inputs[2])) ||
        graph_.value(choice->inputs[1]).constant.size() != 1 ||
        graph_.value(choice->inputs[2]).constant.size() != 1) {
      return id;
    }
    const Node* both = producer(choice->inputs[0], op_binary());
    if (both == nullptr || both->as<BinaryAttributes>().function != BinaryFunction::logical_and)
      return id;
    for (std::size_t i = 0; i < 2; ++i) {
      const Value& always = graph_.value(both->inputs[i]);
      if (!is_true(always) || !type(both->inputs[1 - i]).shape) continue;
      const ValueId narrow =
          patch.emit(op_select(), {}, {both->inputs[1 - i], choice->inputs[1], choice->inputs[2]});
      if (!(patch.type(narrow).dtype == type(id).dtype)) return id;
      return narrowed_[id] = narrow;
    }
    return id;
  }
  static bool is_true(const Value& value) {
    if (!value.is_constant() || value.constant.dtype() != DType::boolean) return false;
    const auto bytes = value.constant.to_i64();
    return !bytes.empty() && std::ranges::all_of(bytes, [](std::int64_t b) { return b != 0; });
  }

  bool match(const Node& node) {
    const Weights found = weights_of(node.inputs[0]);
    const Node* softmax = found.softmax;
    if (softmax == nullptr || softmax->as<SoftmaxAttributes>().log) return false;
    const ValueId v = node.inputs[1];
    const Type& weights = type(node.inputs[0]);
    if (weights.rank() != 4 || type(v).rank() != 4 || !kFloats.contains(weights.dtype) ||
        normalize_axis(softmax->as<SoftmaxAttributes>().axis, 4) != 3) {
      return false;
    }
    const Scores scores = without_bias(softmax->inputs[0]);
    AttentionAttributes attributes;
    attributes.zero_nan = found.choice != nullptr;
    const Node* product =
        only_producer(without_factors(scores.products, true, attributes.scale), op_matmul());
    if (product == nullptr) return false;
    const ValueId transposed = product->inputs[1];
    if (type(product->inputs[0]).rank() != 4 || type(transposed).rank() != 4) return false;
    const SymShape &q_shape = *type(product->inputs[0]).shape, &k_shape = *type(transposed).shape;
    const SymShape& v_shape = *type(v).shape;
    for (std::size_t i = 0; i < 2; ++i) {
      if (!(q_shape[i] == k_shape[i]) || !(q_shape[i] == v_shape[i])) return false;
    }
    if (!(k_shape[3] == v_shape[2])) return false;
    const ValueId q = without_factors(product->inputs[0], false, attributes.scale);
    const Keys keys = keys_of(transposed, attributes.scale);
    if (!std::isfinite(attributes.scale)) return false;

    Patch patch(graph_, "fuse attention at " + label_of(node));
    for (const Node* part : {product, softmax, found.is_nan, found.choice, &node}) {
      if (part != nullptr) patch.descend_from(*part);
    }
    ValueId k = keys.from;
    if (!is_identity(keys.perm))
      k = patch.emit(op_transpose(), TransposeAttributes{.perm = keys.perm}, {k});
    std::vector<ValueId> inputs = {q, k, v};
    if (scores.bias.exists()) inputs.push_back(narrow_bias(scores.bias, patch));
    patch.replace(node.outputs[0], patch.emit(op_attention(), attributes, inputs));
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  std::map<ValueId, ValueId> narrowed_;  // biases
};

int run(Graph& graph, const PassContext& context) {
  return context.target.precise ? 0 : Matcher(graph, context).run();
}

}  // namespace

Pass fuse_attention() {
  return {
      .name = "fuse_attention",
      .summary = "recognises attention that is spelled out as products around a softmax",
      .run = run,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Normalisations that exporters spell out become layer_norm:
//
//   d = x - mean(x);  d / sqrt(mean(d * d) + epsilon) * scale + bias      Ba et al.,
//   arXiv:1607.06450 x / sqrt(mean(x * x) + epsilon) * scale                      Zhang, Sennrich,
//   arXiv:1910.07467
//
// with means over the last axes. The square may be a power of 2, the division a product with the
// reciprocal or with a power of -1/2; scale and bias broadcast within the axes that are normalised,
// and are left outside where somebody else reads the value before them.
//
// One operator rounds at other places than the chain, so a precise target keeps the chain.
#include "passes/passes.hpp"

#include <algorithm>

#include "ops/binary.hpp"
#include "ops/layer_norm.hpp"
#include "ops/reduce.hpp"
#include "ops/unary.hpp"
#include "passes/uniform_constant.hpp"

namespace strop {
namespace {

class Matcher {
 public:
  Matcher(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      if (!node.is(op_binary())) continue;
      if (const auto norm = match(node)) {
        fuse(node, *norm);
        ++fused;
      }
    }
    return fused;
  }

 private:
  struct Norm {
    ValueId x;
    LayerNormAttributes attributes;
  };

  const Node* unary(ValueId id, UnaryFunction function) const {
    const Node* node = graph_.producer(id);
    const bool is =
        node != nullptr && node->is(op_unary()) && node->as<UnaryAttributes>().function == function;
    return is ? node : nullptr;
  }
  const Node* binary(ValueId id, BinaryFunction function) const {
    const Node* node = graph_.producer(id);
    const bool is = node != nullptr && node->is(op_binary()) &&
                    node->as<BinaryAttributes>().function == function;
    return is ? node : nullptr;
  }
  bool is_number(ValueId id, double number) const {
    return uniform_constant(graph_.value(id)) == number;
  }

  // The first of the last axes whose mean `id` is, and of what.
  struct Mean {
    ValueId of;
    std::int64_t axis = 0;
  };
  std::optional<Mean> mean(ValueId id) const {
    const Node* node = graph_.producer(id);
    if (node == nullptr || !node->is(op_reduce()) || node->inputs.size() != 2) return std::nullopt;
    const auto& attributes = node->as<ReduceAttributes>();
    const Value& given = graph_.value(node->inputs[1]);
    const std::int64_t rank = graph_.value(node->inputs[0]).type.rank();
    if (attributes.function != ReduceFunction::mean || !attributes.keep_dims || rank < 1 ||
        !given.is_constant() || given.constant.size() == 0) {
      return std::nullopt;
    }
    std::vector<std::int64_t> axes = given.constant.to_i64();
    for (std::int64_t& axis : axes) axis = axis < 0 ? axis + rank : axis;
    std::ranges::sort(axes);
    const auto count = static_cast<std::int64_t>(axes.size());
    for (std::int64_t i = 0; i < count; ++i) {
      if (axes[static_cast<std::size_t>(i)] != rank - count + i) return std::nullopt;
    }
    return Mean{node->inputs[0], rank - count};
  }

  // What `id` is the square of; none: it is no square.
  ValueId squared(ValueId id) const {
    if (const Node* power = binary(id, BinaryFunction::pow))
      return is_number(power->inputs[1], 2) ? power->inputs[0] : ValueId::none();
    const Node* product = binary(id, BinaryFunction::mul);
    return product != nullptr && product->inputs[0] == product->inputs[1] ? product->inputs[0]
                                                                          : ValueId::none();
  }

  // mean(d * d) + epsilon
  std::optional<Mean> variance(ValueId id, double& epsilon) const {
    const Node* sum = binary(id, BinaryFunction::add);
    if (sum == nullptr) return std::nullopt;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto number = uniform_constant(graph_.value(sum->inputs[1 - i]));
      auto found = mean(sum->inputs[i]);
      if (!number || !found) continue;
      found->of = squared(found->of);
      if (!found->of.exists()) continue;
      epsilon = *number;
      return found;
    }
    return std::nullopt;
  }

  // sqrt(mean(d * d) + epsilon), as a root or as a power of 1/2; `power` of -1/2 for its inverse.
  std::optional<Mean> deviation(ValueId id, double power, double& epsilon) const {
    if (const Node* node = binary(id, BinaryFunction::pow)) {
      if (!is_number(node->inputs[1], power)) return std::nullopt;
      return variance(node->inputs[0], epsilon);
    }
    if (power < 0) {
      if (const Node* node = unary(id, UnaryFunction::reciprocal))
        return deviation(node->inputs[0], -power, epsilon);
      const Node* node = binary(id, BinaryFunction::div);
      if (node == nullptr || !is_number(node->inputs[0], 1)) return std::nullopt;
      return deviation(node->inputs[1], -power, epsilon);
    }
    const Node* root = unary(id, UnaryFunction::sqrt);
    return root != nullptr ? variance(root->inputs[0], epsilon) : std::nullopt;
  }

  // x where d = x - mean(x) over those axes; none otherwise.
  ValueId centred_of(ValueId d, std::int64_t axis) const {
    const Node* node = binary(d, BinaryFunction::sub);
    if (node == nullptr) return ValueId::none();
    const auto found = mean(node->inputs[1]);
    const bool fits = found && found->of == node->inputs[0] && found->axis == axis;
    return fits ? found->of : ValueId::none();
  }

  std::optional<Norm> match(const Node& node) const {
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    if (function != BinaryFunction::div && function != BinaryFunction::mul) return std::nullopt;
    const bool divides = function == BinaryFunction::div;
    for (std::size_t i = 0; i < (divides ? 1 : 2); ++i) {
      const ValueId d = node.inputs[i];
      const Type& type = graph_.value(d).type;
      if (!kFloats.contains(type.dtype) || !(type == graph_.value(node.outputs[0]).type)) continue;
      Norm norm;
      const auto found =
          deviation(node.inputs[1 - i], divides ? 0.5 : -0.5, norm.attributes.epsilon);
      if (!found) continue;
      norm.attributes.axis = found->axis;
      norm.x = centred_of(d, found->axis);
      // The squares may be of a difference that was written twice.
      const bool same =
          found->of == d || (norm.x.exists() && centred_of(found->of, found->axis) == norm.x);
      if (!same) continue;
      norm.attributes.centred = norm.x.exists();
      if (!norm.x.exists()) norm.x = d;
      if (!(graph_.value(norm.x).type == type)) continue;
      return norm;
    }
    return std::nullopt;
  }

  // The operand that the only user of `id` combines it with, broadcast within the axes from `axis`
  // on; the user's result becomes `id`.
  ValueId take_parameter(ValueId& id, BinaryFunction function, std::int64_t axis,
                         Patch& patch) const {
    if (!graph_.has_single_use(id)) return ValueId::none();
    const Node& user = graph_.node(graph_.value(id).uses[0].node);
    if (!user.is(op_binary()) || user.as<BinaryAttributes>().function != function)
      return ValueId::none();
    const ValueId other = user.inputs[user.inputs[0] == id ? 1 : 0];
    const Type& type = graph_.value(id).type;
    const Type& given = graph_.value(other).type;
    if (!given.shape || given.dtype != type.dtype ||
        !(graph_.value(user.outputs[0]).type == type) || given.rank() > type.rank() - axis) {
      return ValueId::none();
    }
    for (std::int64_t i = 0; i < given.rank(); ++i) {
      const Dim& size = (*given.shape)[static_cast<std::size_t>(i)];
      const Dim& whole = (*type.shape)[static_cast<std::size_t>(type.rank() - given.rank() + i)];
      if (!size.is(1) && !(size == whole)) return ValueId::none();
    }
    patch.descend_from(user);
    id = user.outputs[0];
    return other;
  }

  void fuse(const Node& node, const Norm& norm) {
    Patch patch(graph_, "fuse layer_norm at " + label_of(node));
    patch.descend_from(node);
    ValueId last = node.outputs[0];
    std::vector<ValueId> inputs = {norm.x};
    const std::int64_t axis = norm.attributes.axis;
    inputs.push_back(take_parameter(last, BinaryFunction::mul, axis, patch));
    inputs.push_back(take_parameter(last, BinaryFunction::add, axis, patch));
    while (!inputs.back().exists()) inputs.pop_back();
    patch.replace(last, patch.emit(op_layer_norm(), norm.attributes, inputs));
    context_.apply(patch, graph_);
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.precise ? 0 : Matcher(graph, context).run();
}

}  // namespace

Pass fuse_layer_norm() {
  return {
      .name = "fuse_layer_norm",
      .summary = "recognises layer and root-mean-square normalisation that is spelled out",
      .run = run,
  };
}

}  // namespace strop

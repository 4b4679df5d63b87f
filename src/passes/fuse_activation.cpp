// SPDX-License-Identifier: Apache-2.0
// Activations that models spell out become the operator's own function, so that an epilogue holds
// one step on one value:
//
//   clip(x + b, 0, 6) / 6     → hard_sigmoid, alpha = 1/6, beta = b/6     (also * 1/6, any bound)
//   x * hard_sigmoid(x)       → hard_swish         Howard et al., arXiv:1905.02244
//   x * clip(x + b, 0, 6) / 6 → hard_swish
//   x * sigmoid(x)            → silu               Elfwing et al., arXiv:1702.03118
//   x * tanh(softplus(x))     → mish               Misra, arXiv:1908.08681
//   x * 0.5 * (1 + erf(x / sqrt(2))) → gelu        Hendrycks and Gimpel, arXiv:1606.08415
//   x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) → gelu_tanh        (likewise)
//
// The functions round at other places than the chains, so a precise target keeps the chains.
#include "passes/passes.hpp"

#include <cmath>
#include <numbers>

#include "ops/binary.hpp"
#include "ops/clip.hpp"
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
      if (node.is(op_binary()) && kFloats.contains(graph_.value(node.outputs[0]).type.dtype) &&
          match(node)) {
        ++fused;
      }
    }
    return fused;
  }

 private:
  const Node* unary(ValueId id, UnaryFunction function) const {
    const Node* node = graph_.producer(id);
    return node != nullptr && node->is(op_unary()) &&
                   node->as<UnaryAttributes>().function == function
               ? node
               : nullptr;
  }
  const Node* binary(ValueId id, BinaryFunction function) const {
    const Node* node = graph_.producer(id);
    return node != nullptr && node->is(op_binary()) &&
                   node->as<BinaryAttributes>().function == function
               ? node
               : nullptr;
  }

  // c + x, c * x and the like: the operand that is no constant, and the constant.
  struct WithNumber {
    ValueId x;
    double number = 0;
  };
  std::optional<WithNumber> with_number(const Node* node, bool either_side) const {
    if (node == nullptr) return std::nullopt;
    for (std::size_t i = 0; i < (either_side ? 2u : 1u); ++i) {
      const auto number = uniform_constant(graph_.value(node->inputs[1 - i]));
      const ValueId x = node->inputs[i];
      if (number && graph_.value(x).type == graph_.value(node->outputs[0]).type)
        return WithNumber{x, *number};
    }
    return std::nullopt;
  }
  // value / c or value * (1 / c): the value and 1 / c.
  std::optional<WithNumber> scaled(ValueId id) const {
    if (auto product = with_number(binary(id, BinaryFunction::mul), true)) return product;
    auto quotient = with_number(binary(id, BinaryFunction::div), false);
    if (!quotient || quotient->number == 0) return std::nullopt;
    quotient->number = 1 / quotient->number;
    return quotient;
  }

  // clip(x + offset, 0, top)
  struct Ramp {
    ValueId x;
    double offset = 0, top = 0;
  };
  std::optional<Ramp> ramp(ValueId id) const {
    const Node* clip = graph_.producer(id);
    if (clip == nullptr || !clip->is(op_clip()) || !clip->input(1).exists() ||
        !clip->input(2).exists()) {
      return std::nullopt;
    }
    const auto low = uniform_constant(graph_.value(clip->inputs[1]));
    const auto high = uniform_constant(graph_.value(clip->inputs[2]));
    const auto sum = with_number(binary(clip->inputs[0], BinaryFunction::add), true);
    if (!low || !high || *low != 0 || !(*high > 0) || !std::isfinite(*high) || !sum)
      return std::nullopt;
    return Ramp{sum->x, sum->number, *high};
  }

  static bool close(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

  bool match(const Node& node) {
    const ValueId y = node.outputs[0];
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    if (const auto outer = scaled(y)) {
      if (match_ramp(node, outer->x, outer->number)) return true;
      if (match_gelu(node, *outer)) return true;
    }
    if (function != BinaryFunction::mul) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const ValueId x = node.inputs[i];
      const ValueId gate = node.inputs[1 - i];
      if (!(graph_.value(gate).type == graph_.value(x).type)) continue;
      if (const Node* at = unary(gate, UnaryFunction::hard_sigmoid); at && at->inputs[0] == x)
        return fuse(node, x,
                    {.function = UnaryFunction::hard_swish,
                     .alpha = at->as<UnaryAttributes>().alpha,
                     .beta = at->as<UnaryAttributes>().beta});
      if (const Node* at = unary(gate, UnaryFunction::sigmoid); at && at->inputs[0] == x)
        return fuse(node, x, {.function = UnaryFunction::silu});
      if (const Node* at = unary(gate, UnaryFunction::tanh)) {
        const Node* inner = unary(at->inputs[0], UnaryFunction::softplus);
        if (inner != nullptr && inner->inputs[0] == x)
          return fuse(node, x, {.function = UnaryFunction::mish});
      }
      // x/6 * clip(x + 3, 0, 6)
      const auto part = scaled(x);
      const auto slope = ramp(gate);
      if (part && slope && part->x == slope->x && close(part->number, 1 / slope->top))
        return fuse(node, slope->x, hard(UnaryFunction::hard_swish, *slope));
      if (match_gelu_product(node, x, gate)) return true;
    }
    return false;
  }

  static UnaryAttributes hard(UnaryFunction function, const Ramp& ramp) {
    return {.function = function, .alpha = 1 / ramp.top, .beta = ramp.offset / ramp.top};
  }

  // `inner` times `factor`, where inner is a ramp or x times a ramp.
  bool match_ramp(const Node& node, ValueId inner, double factor) {
    if (const auto slope = ramp(inner); slope && close(factor, 1 / slope->top))
      return fuse(node, slope->x, hard(UnaryFunction::hard_sigmoid, *slope));
    const Node* product = binary(inner, BinaryFunction::mul);
    for (std::size_t i = 0; product != nullptr && i < 2; ++i) {
      const auto slope = ramp(product->inputs[i]);
      if (slope && product->inputs[1 - i] == slope->x && close(factor, 1 / slope->top))
        return fuse(node, slope->x, hard(UnaryFunction::hard_swish, *slope));
    }
    return false;
  }

  // 1 + erf(x / sqrt(2)), or the hyperbolic tangent that comes close to it.
  struct Gate {
    ValueId x;
    UnaryFunction function = UnaryFunction::gelu;
  };
  std::optional<Gate> gelu_gate(ValueId id) const {
    const auto sum = with_number(binary(id, BinaryFunction::add), true);
    if (!sum || sum->number != 1) return std::nullopt;
    if (const Node* erf = unary(sum->x, UnaryFunction::erf)) {
      const auto inside = scaled(erf->inputs[0]);
      if (!inside || !close(inside->number, std::numbers::sqrt2 / 2)) return std::nullopt;
      return Gate{inside->x, UnaryFunction::gelu};
    }
    const Node* tanh = unary(sum->x, UnaryFunction::tanh);
    const ValueId x = tanh != nullptr ? tanh_argument_of(tanh->inputs[0]) : ValueId::none();
    return x.exists() ? std::optional(Gate{x, UnaryFunction::gelu_tanh}) : std::nullopt;
  }

  // x where `id` is sqrt(2 / pi) * (x + 0.044715 * x^3), the cube inside or x drawn out; none
  // otherwise.
  ValueId tanh_argument_of(ValueId id) const {
    constexpr double kFactor = 0.79788456080286536, kCubic = 0.044715;
    if (const auto outer = scaled(id); outer && close(outer->number, kFactor)) {
      const Node* sum = binary(outer->x, BinaryFunction::add);
      for (std::size_t i = 0; sum != nullptr && i < 2; ++i) {
        const auto cubic = scaled(sum->inputs[i]);
        const ValueId x = sum->inputs[1 - i];
        if (cubic && close(cubic->number, kCubic) && is_power(cubic->x, x, 3)) return x;
      }
      // x * (1 + 0.044715 * x^2)
      const Node* product = binary(outer->x, BinaryFunction::mul);
      for (std::size_t i = 0; product != nullptr && i < 2; ++i) {
        if (is_even_part(product->inputs[i], product->inputs[1 - i])) return product->inputs[1 - i];
      }
      return ValueId::none();
    }
    // (sqrt(2 / pi) * x) * (1 + 0.044715 * x^2)
    const Node* product = binary(id, BinaryFunction::mul);
    for (std::size_t i = 0; product != nullptr && i < 2; ++i) {
      const auto part = scaled(product->inputs[1 - i]);
      if (part && close(part->number, kFactor) && is_even_part(product->inputs[i], part->x))
        return part->x;
    }
    return ValueId::none();
  }

  // 1 + 0.044715 * x^2, also with the factor on one x.
  bool is_even_part(ValueId id, ValueId x) const {
    const auto sum = with_number(binary(id, BinaryFunction::add), true);
    if (!sum || sum->number != 1) return false;
    if (const auto square = scaled(sum->x);
        square && close(square->number, 0.044715) && is_power(square->x, x, 2)) {
      return true;
    }
    const Node* product = binary(sum->x, BinaryFunction::mul);
    for (std::size_t i = 0; product != nullptr && i < 2; ++i) {
      const auto part = scaled(product->inputs[i]);
      if (part && close(part->number, 0.044715) && part->x == x && product->inputs[1 - i] == x)
        return true;
    }
    return false;
  }

  // x^exponent, as a power or as products.
  bool is_power(ValueId id, ValueId x, int exponent) const {
    if (exponent == 1) return id == x;
    if (const Node* power = binary(id, BinaryFunction::pow)) {
      return power->inputs[0] == x &&
             uniform_constant(graph_.value(power->inputs[1])) == static_cast<double>(exponent);
    }
    const Node* product = binary(id, BinaryFunction::mul);
    for (std::size_t i = 0; product != nullptr && i < 2; ++i) {
      if (product->inputs[i] == x && is_power(product->inputs[1 - i], x, exponent - 1)) return true;
    }
    return false;
  }

  // (x * (1 + ...)) * 0.5
  bool match_gelu(const Node& node, const WithNumber& outer) {
    const Node* product = binary(outer.x, BinaryFunction::mul);
    if (product == nullptr || !close(outer.number, 0.5)) return false;
    for (std::size_t i = 0; i < 2; ++i) {
      const auto found = gelu_gate(product->inputs[i]);
      if (found && product->inputs[1 - i] == found->x)
        return fuse(node, found->x, {.function = found->function});
    }
    return false;
  }

  // (x * 0.5) * (1 + ...), x * (0.5 * (1 + ...))
  bool match_gelu_product(const Node& node, ValueId left, ValueId right) {
    if (const auto found = gelu_gate(right)) {
      const auto half = scaled(left);
      if (half && half->x == found->x && close(half->number, 0.5))
        return fuse(node, found->x, {.function = found->function});
    }
    const auto half = scaled(right);
    if (!half || !close(half->number, 0.5)) return false;
    const auto found = gelu_gate(half->x);
    return found && found->x == left && fuse(node, found->x, {.function = found->function});
  }

  bool fuse(const Node& node, ValueId x, const UnaryAttributes& attributes) {
    const ValueId y = node.outputs[0];
    if (!(graph_.value(x).type == graph_.value(y).type)) return false;
    const auto names = enum_names(attributes.function);
    Patch patch(graph_, "fuse " +
                            std::string(names[static_cast<std::size_t>(attributes.function)]) +
                            " at " + label_of(node));
    patch.descend_from(node);
    patch.replace(y, patch.emit(op_unary(), attributes, {x}));
    context_.apply(patch, graph_);
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.precise ? 0 : Matcher(graph, context).run();
}

}  // namespace

Pass fuse_activation() {
  return {
      .name = "fuse_activation",
      .summary =
          "recognises activations that are spelled out: hard_sigmoid, hard_swish, silu, mish, "
          "gelu, "
          "gelu_tanh",
      .run = run,
  };
}

}  // namespace strop

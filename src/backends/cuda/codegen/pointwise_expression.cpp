// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/pointwise_expression.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/cast.hpp"
#include "ops/chunk.hpp"
#include "ops/clip.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/select.hpp"

namespace strop::cuda {
namespace {

// The reference refuses to divide integers by zero when it runs, which a kernel cannot. A reason,
// or nothing.
std::string unsafe_division(BinaryFunction function, DType left, DType right,
                            const Tensor* second) {
  using B = BinaryFunction;
  const bool divides = function == B::div || function == B::mod || function == B::fmod;
  const bool power = function == B::pow;
  if ((!divides && !power) || is_floating(left)) return {};
  if (power && (is_floating(right) || dtype_info(right).kind == DTypeKind::unsigned_int)) return {};
  if (second == nullptr) return "integers are divided by what only running tells";
  const auto values = second->to_i64();
  const bool safe = std::ranges::all_of(
      values, [&](std::int64_t value) { return power ? value >= 0 : value != 0; });
  return safe ? "" : "an integer is divided by zero";
}

// Integers narrower than what they are computed in wrap after each node.
std::string wrapped(DType result, std::string expression) {
  const bool narrow = is_integer(result) && bits_of(result) < 64;
  return narrow ? rounded_source(result, expression) : expression;
}

std::string converted(DType in, DType result, std::string expression) {
  return compute_type(in) == compute_type(result) ? wrapped(result, std::move(expression))
                                                  : rounded_source(result, expression);
}

std::string binary_expression(BinaryFunction function, DType left, DType right, DType result,
                              std::string a, std::string b) {
  DType in = left;
  if (left != right && compute_kind(left) != compute_kind(right)) {
    const bool floats = is_floating(left) || is_floating(right);
    in = floats ? DType::f64 : DType::i64;
    a = fmt::format("narrow<{}>({})", compute_type(in), a);
    b = fmt::format("narrow<{}>({})", compute_type(in), b);
  }
  return converted(in, result, binary_source(function, in, a, b));
}

std::string clip_expression(DType dtype, std::span<const std::string> operands) {
  const std::string type = compute_type(dtype);
  std::string out = operands[0];
  if (operands.size() > 1 && !operands[1].empty())
    out = fmt::format("at_least<{}>({}, {})", type, out, operands[1]);
  if (operands.size() > 2 && !operands[2].empty())
    out = fmt::format("at_most<{}>({}, {})", type, out, operands[2]);
  return out;
}

// The difference is exact, the product rounded once. Differences of narrow integers fit in an int,
// whose conversion takes fewer instructions.
std::string dequantized_expression(const Node& node, DType in, DType result,
                                   std::span<const std::string> operands, std::string& refusal) {
  if (node.as<DequantizeLinearAttributes>().block_size != 0 || !is_integer(in) ||
      compute_kind(result) != ComputeKind::f32) {
    refusal = "it takes integers, and makes floats";
    return {};
  }
  const bool has_zero = operands.size() > 2 && !operands[2].empty();
  return fmt::format("static_cast<float>(static_cast<{0}>({1}) - static_cast<{0}>({2})) * {3}",
                     bits_of(in) <= 16 ? "int" : "long long", operands[0],
                     has_zero ? operands[2] : "0", operands[1]);
}

}  // namespace

bool is_expression(const Node& node) {
  return node.is(op_unary()) || node.is(op_binary()) || node.is(op_clip()) ||
         node.is(op_select()) || node.is(op_cast()) || node.is(op_dequantize_linear());
}

std::string pointwise_expression(const Node& node, const Graph& graph,
                                 std::span<const std::string> operands,
                                 const std::function<const Tensor*(ValueId)>& constant_of,
                                 std::string& refusal) {
  const auto dtype = [&](ValueId id) { return graph.value(id).type.dtype; };
  const DType result = dtype(node.outputs[0]), in = dtype(node.inputs[0]);
  if (!has_element(result)) {
    refusal = "there are no kernels for " + std::string(to_string(result));
    return {};
  }
  if (node.is(op_unary())) {
    return converted(in, result, unary_source(node.as<UnaryAttributes>(), in, operands[0]));
  }
  if (node.is(op_binary())) {
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    const DType right = dtype(node.inputs[1]);
    refusal = unsafe_division(function, in, right, constant_of(node.inputs[1]));
    if (!refusal.empty()) return {};
    return binary_expression(function, in, right, result, operands[0], operands[1]);
  }
  if (node.is(op_clip())) return clip_expression(in, operands);
  if (node.is(op_select()))
    return fmt::format("{} != 0 ? {} : {}", operands[0], operands[1], operands[2]);
  if (node.is(op_dequantize_linear()))
    return dequantized_expression(node, in, result, operands, refusal);
  return rounded_source(result, operands[0]);
}

}  // namespace strop::cuda

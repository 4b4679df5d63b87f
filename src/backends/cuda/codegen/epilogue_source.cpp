// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/epilogue_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace strop::cuda {
namespace {

// How many parameters of UnaryAttributes a function takes.
int parameter_count(UnaryFunction function) {
  using U = UnaryFunction;
  switch (function) {
    case U::leaky_relu:
    case U::elu:
    case U::celu:
    case U::thresholded_relu:
    case U::silu:
      return 1;
    case U::selu:
    case U::shrink:
    case U::hard_sigmoid:
    case U::hard_swish:
      return 2;
    default:
      return 0;
  }
}

bool has_narrow_source(UnaryFunction function) {
  using U = UnaryFunction;
  return function == U::exp || function == U::sigmoid || function == U::silu ||
         function == U::gelu || function == U::gelu_tanh;
}

std::string_view name_of(UnaryFunction function) {
  return enum_names(function)[static_cast<std::size_t>(function)];
}
std::string_view name_of(BinaryFunction function) {
  return enum_names(function)[static_cast<std::size_t>(function)];
}

std::string operand_source(const EpilogueOperand& operand) {
  switch (operand.kind) {
    case EpilogueOperand::channel:
      return fmt::format("channel[{}]", operand.index);
    case EpilogueOperand::tensor:
      return fmt::format("tensor[{}]", operand.index);
    case EpilogueOperand::scalar:
      break;
  }
  return float_literal(operand.value);
}

std::string step_source(const EpilogueStep& step, bool narrow) {
  switch (step.kind) {
    case EpilogueStep::unary:
      return call_source(step.unary_function, step.alpha, step.beta, "x", narrow);
    case EpilogueStep::binary: {
      const std::string other = operand_source(step.operand);
      return step.swapped ? call_source(step.binary_function, other, "x")
                          : call_source(step.binary_function, "x", other);
    }
    case EpilogueStep::clip:
      break;
  }
  return fmt::format("clip(x, {}, {})", float_literal(static_cast<float>(step.alpha)),
                     float_literal(static_cast<float>(step.beta)));
}

}  // namespace

bool has_source(UnaryFunction function) {
  using U = UnaryFunction;
  return function != U::is_nan && function != U::is_inf && function != U::logical_not &&
         function != U::bitwise_not;
}

bool has_source(BinaryFunction function) {
  using B = BinaryFunction;
  switch (function) {
    case B::add:
    case B::sub:
    case B::mul:
    case B::div:
    case B::pow:
    case B::fmod:
    case B::min:
    case B::max:
    case B::prelu:
      return true;
    default:
      return false;
  }
}

std::uint32_t operand_count(std::span<const EpilogueStep> steps, EpilogueOperand::Kind kind) {
  std::uint32_t count = 0;
  for (const EpilogueStep& step : steps) {
    if (step.kind == EpilogueStep::binary && step.operand.kind == kind)
      count = std::max(count, step.operand.index + 1);
  }
  return count;
}

std::string float_literal(float value) {
  if (std::isnan(value)) return "__int_as_float(0x7fffffff)";
  if (std::isinf(value)) return value > 0 ? "infinity()" : "(-infinity())";
  const std::string text = fmt::format("{:a}f", value);
  return std::signbit(value) ? "(" + text + ")" : text;
}

std::string call_source(UnaryFunction function, double alpha, double beta, const std::string& x,
                        bool narrow) {
  STROP_CHECK(has_source(function), "a function from f32 to f32");
  std::string out = fmt::format(
      "{}_{}({}", narrow && has_narrow_source(function) ? "narrow" : "unary", name_of(function), x);
  const int parameters = parameter_count(function);
  if (parameters > 0) out += ", " + float_literal(static_cast<float>(alpha));
  if (parameters > 1) out += ", " + float_literal(static_cast<float>(beta));
  return out + ")";
}

std::string call_source(BinaryFunction function, const std::string& a, const std::string& b) {
  STROP_CHECK(has_source(function), "a function from f32 to f32");
  return fmt::format("binary_{}({}, {})", name_of(function), a, b);
}

std::string epilogue_source(std::span<const EpilogueStep> steps, bool narrow) {
  std::string out =
      "__device__ __forceinline__ float epilogue(float x, const float* channel, const float* "
      "tensor) {\n";
  for (const EpilogueStep& step : steps)
    out += fmt::format("  x = {};\n", step_source(step, narrow));
  return out + "  return x;\n}\n";
}

}  // namespace strop::cuda

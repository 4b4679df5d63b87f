// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "ir/op_def.hpp"

namespace strop {

// In the order of the table in unary.cpp.
enum class UnaryFunction : std::uint8_t {
  relu,
  leaky_relu,
  elu,
  selu,
  celu,
  thresholded_relu,
  shrink,
  sigmoid,
  hard_sigmoid,
  hard_swish,
  silu,
  mish,
  gelu,
  gelu_tanh,
  softplus,
  softsign,
  exp,
  log,
  sqrt,
  reciprocal,
  erf,
  neg,
  abs,
  sign,
  floor,
  ceil,
  round,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  is_nan,
  is_inf,
  logical_not,
  bitwise_not,
};

std::span<const std::string_view> enum_names(UnaryFunction);

struct UnaryAttributes {
  UnaryFunction function = UnaryFunction::relu;
  // leaky_relu, elu, celu, thresholded_relu: alpha. selu: alpha, beta = gamma. shrink: alpha =
  // lambda, beta = bias. hard_sigmoid, hard_swish: clamp(alpha x + beta). silu: alpha inside the
  // sigmoid. is_inf: alpha / beta other than 0 detect negative / positive infinity.
  double alpha = 1;
  double beta = 0;

  static void reflect(auto& field) {
    field("function", &UnaryAttributes::function, "which function");
    field("alpha", &UnaryAttributes::alpha, "first parameter of functions that have one");
    field("beta", &UnaryAttributes::beta, "second parameter of functions that have one");
  }
};

const OpDef& op_unary();

// y = function(x) for `count` numbers, as the operator computes it; for operators that have such
// functions inside. x and y may be the same. The function is one of floats.
template <class C>
void apply_unary(UnaryFunction function, const C* x, C* y, std::int64_t count, double alpha,
                 double beta);
extern template void apply_unary(UnaryFunction, const float*, float*, std::int64_t, double, double);
extern template void apply_unary(UnaryFunction, const double*, double*, std::int64_t, double,
                                 double);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Written so that the compiler vectorises each loop for every instruction set it is cloned for; the
// exponential is branch-free for that reason (range reduction to |r| <= ln2/2 and a polynomial;
// J.-M. Muller, Elementary Functions, ch. 11).
#include "backends/cpu/pointwise_functions.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define STROP_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define STROP_CLONES
#endif

namespace strop::cpu {
namespace {

inline float exponential(float x) {
  // Beyond these bounds the result is infinity or zero; NaN passes through by the last selection.
  const float bounded = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  const float shifted = bounded * 1.44269504088896f +
                        12582912.0f;  // 1.5 * 2^23: rounds to an integer in the low bits
  const float n = shifted - 12582912.0f;
  float r = bounded - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // In two factors: 2^128 and the smallest denormals have no factor of their own.
  const std::int32_t whole =
      std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(12582912.0f);
  const std::int32_t half = whole >> 1;
  float y = p * std::bit_cast<float>((half + 127) << 23) *
            std::bit_cast<float>((whole - half + 127) << 23);
  y = x > 88.72283f ? std::numeric_limits<float>::infinity() : y;
  y = x < -103.97f ? 0.0f : y;
  return x == x ? y : x;
}

// To [0, 1]; NaN stays.
inline float clamp_unit(float x) { return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x; }

inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Polynomials of these were fitted to the smallest relative error (Lawson's iteration over
// Chebyshev nodes). Both sides of a selection are computed, so that loops over them become vectors.

// Up to 1 an odd polynomial, beyond 1 - exp(-q): q is a polynomial for -log(erfc), 4 the last
// argument whose result is not yet 1.
inline float error_function(float x) {
  const float t = std::fabs(x);
  const float s = x * x;
  float p = 7.889119531e-5f;
  p = p * s - 8.020841279e-4f;
  p = p * s + 5.189535339e-3f;
  p = p * s - 2.685444459e-2f;
  p = p * s + 1.128360018e-1f;
  p = p * s - 3.761262714e-1f;
  p = p * s + 1.283791659e-1f;
  const float small = x + x * p;
  const float u = t > 4.0f ? 4.0f : t;
  float q = 2.169763935e-5f;
  q = q * u - 4.414729209e-4f;
  q = q * u + 4.205285920e-3f;
  q = q * u - 2.521034237e-2f;
  q = q * u + 1.084221028e-1f;
  q = q * u + 6.332163948e-1f;
  q = q * u + 1.129580312f;
  q = q * u - 1.884678019e-4f;
  const float large = 1.0f - exponential(-q);
  const float signed_large = x < 0.0f ? -large : large;
  return t > 1.0f ? signed_large : small;  // NaN and -0 go through the polynomial
}

// Up to 0.625 an odd polynomial, beyond by the exponential.
inline float hyperbolic_tangent(float x) {
  const float t = std::fabs(x);
  const float s = x * x;
  float p = 2.147536853e-3f;
  p = p * s - 8.182673849e-3f;
  p = p * s + 2.170296710e-2f;
  p = p * s - 5.394720427e-2f;
  p = p * s + 1.333320976e-1f;
  p = p * s - 3.333333091e-1f;
  const float small = x + x * (s * p);
  const float large = 1.0f - 2.0f / (exponential(2.0f * t) + 1.0f);
  const float signed_large = x < 0.0f ? -large : large;
  return t > 0.625f ? signed_large : small;
}

#define STROP_RUN(name, expression)                                                               \
  STROP_CLONES void name(float* value, [[maybe_unused]] const float* operand, std::int64_t count, \
                         [[maybe_unused]] float alpha, [[maybe_unused]] float beta) {             \
    for (std::int64_t i = 0; i < count; ++i) {                                                    \
      const float x = value[i];                                                                   \
      value[i] = (expression);                                                                    \
    }                                                                                             \
  }

STROP_RUN(run_relu, x < 0.0f ? 0.0f : x)
STROP_RUN(run_leaky_relu, x < 0.0f ? alpha * x : x)
STROP_RUN(run_sigmoid, logistic(x))
STROP_RUN(run_silu, x* logistic(alpha* x))
STROP_RUN(run_exp, exponential(x))
STROP_RUN(run_elu, x < 0.0f ? alpha * (exponential(x) - 1.0f) : x)
STROP_RUN(run_hard_sigmoid, clamp_unit(alpha* x + beta))
STROP_RUN(run_hard_swish, x* clamp_unit(alpha* x + beta))
STROP_RUN(run_abs, std::fabs(x))
STROP_RUN(run_neg, -x)
STROP_RUN(run_sqrt, std::sqrt(x))
STROP_RUN(run_reciprocal, 1.0f / x)
STROP_RUN(run_tanh, hyperbolic_tangent(x))
STROP_RUN(run_log, std::log(x))
STROP_RUN(run_erf, error_function(x))
STROP_RUN(run_gelu, 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f)))
STROP_RUN(run_gelu_tanh,
          0.5f * x *
              (1.0f + hyperbolic_tangent(0.79788456080286536f * (x + 0.044715f * x * x * x))))
STROP_RUN(run_floor, std::floor(x))
STROP_RUN(run_ceil, std::ceil(x))
STROP_RUN(run_clip, x<alpha ? alpha : x> beta ? beta : x)

STROP_RUN(run_add, x + operand[i])
STROP_RUN(run_mul, x* operand[i])
STROP_RUN(run_sub, x - operand[i])
STROP_RUN(run_sub_swapped, operand[i] - x)
STROP_RUN(run_div, x / operand[i])
STROP_RUN(run_div_swapped, operand[i] / x)
// NaN in either operand is the result, as in the reference.
STROP_RUN(run_min, x != x || x < operand[i] ? x : operand[i])
STROP_RUN(run_max, x != x || x > operand[i] ? x : operand[i])
STROP_RUN(run_square, x* x)
STROP_RUN(run_power, operand[i] == 2.0f ? x * x : std::pow(x, operand[i]))
STROP_RUN(run_prelu, x < 0.0f ? x * operand[i] : x)

#undef STROP_RUN

// Squares are what most exponents are about; an element is the same beside any others.
void run_pow(float* value, const float* operand, std::int64_t count, float, float) {
  const bool squares = std::all_of(operand, operand + count, [](float y) { return y == 2.0f; });
  (squares ? run_square : run_power)(value, operand, count, 0, 0);
}

struct Named {
  std::string_view name;
  RunFunction function;
};

constexpr Named kUnary[] = {
    {"relu", run_relu},
    {"leaky_relu", run_leaky_relu},
    {"sigmoid", run_sigmoid},
    {"silu", run_silu},
    {"exp", run_exp},
    {"elu", run_elu},
    {"abs", run_abs},
    {"hard_sigmoid", run_hard_sigmoid},
    {"hard_swish", run_hard_swish},
    {"neg", run_neg},
    {"sqrt", run_sqrt},
    {"reciprocal", run_reciprocal},
    {"tanh", run_tanh},
    {"log", run_log},
    {"erf", run_erf},
    {"gelu", run_gelu},
    {"gelu_tanh", run_gelu_tanh},
    {"floor", run_floor},
    {"ceil", run_ceil},
};

constexpr Named kBinary[] = {
    {"add", run_add}, {"mul", run_mul}, {"sub", run_sub}, {"div", run_div},
    {"min", run_min}, {"max", run_max}, {"pow", run_pow}, {"prelu", run_prelu},
};

}  // namespace

RunFunction find_run_function(const EpilogueStep& step) {
  if (step.kind == EpilogueStep::clip) return run_clip;
  if (step.kind == EpilogueStep::unary) {
    for (const Named& entry : kUnary) {
      if (entry.name == step.function) return entry.function;
    }
    return nullptr;
  }
  const bool symmetric = step.function == "add" || step.function == "mul" ||
                         step.function == "min" || step.function == "max";
  if (step.swapped && !symmetric) {
    if (step.function == "sub") return run_sub_swapped;
    if (step.function == "div") return run_div_swapped;
    return nullptr;
  }
  for (const Named& entry : kBinary) {
    if (entry.name == step.function) return entry.function;
  }
  return nullptr;
}

}  // namespace strop::cpu

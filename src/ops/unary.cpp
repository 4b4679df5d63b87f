// SPDX-License-Identifier: Apache-2.0
// Functions of one number, one row of the table each. Floats narrower than f32 are computed in
// float and rounded once; integers wrap.
#include "ops/unary.hpp"

#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

// count elements from x to y with parameters alpha and beta.
template <class C>
using Loop = void (*)(const C* x, C* y, std::int64_t count, C alpha, C beta);

struct Row {
  UnaryFunction function;
  std::string_view name;
  DTypeSet types;
  bool to_bool;
  Loop<float> f32;
  Loop<double> f64;
  Loop<std::int64_t> i64;
  Loop<std::uint64_t> u64;
};

template <class F, class C>
void loop(const C* x, C* y, std::int64_t count, C alpha, C beta) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = F{}(x[i], alpha, beta);
}

constexpr DTypeSet kReals = kFloats | kIntegers;

// f: [](auto x, auto alpha, auto beta) for float and double.
template <class F>
constexpr Row real(UnaryFunction function, std::string_view name, F) {
  return {function, name, kFloats, false, loop<F, float>, loop<F, double>, nullptr, nullptr};
}
// Also for integers.
template <class F>
constexpr Row any(UnaryFunction function, std::string_view name, DTypeSet types, F) {
  return {function,
          name,
          types,
          false,
          loop<F, float>,
          loop<F, double>,
          loop<F, std::int64_t>,
          loop<F, std::uint64_t>};
}
template <class F>
constexpr Row test(UnaryFunction function, std::string_view name, F) {
  return {function, name,   kFloats | kFloat8s, true, loop<F, float>, loop<F, double>,
          nullptr,  nullptr};
}
template <class F>
constexpr Row bits(UnaryFunction function, std::string_view name, DTypeSet types, F) {
  return {function,
          name,
          types,
          false,
          nullptr,
          nullptr,
          loop<F, std::int64_t>,
          loop<F, std::uint64_t>};
}

template <class C>
C sigmoid(C x) {
  return C(1) / (C(1) + std::exp(-x));
}
// log(1 + exp(x)) without overflow.
template <class C>
C softplus(C x) {
  return (x > C(0) ? x : C(0)) + std::log1p(std::exp(-std::abs(x)));
}
template <class C>
C clamp_unit(C x) {
  return x < C(0) ? C(0) : x > C(1) ? C(1) : x;  // NaN stays
}
// 0 - x modulo 2^64.
inline std::int64_t negate(std::int64_t x) {
  return static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(x));
}
inline std::uint64_t negate(std::uint64_t x) { return 0 - x; }
inline float negate(float x) { return -x; }
inline double negate(double x) { return -x; }

#define STROP_FUNCTION [](auto x, [[maybe_unused]] auto a, [[maybe_unused]] auto b)
using U = UnaryFunction;

const Row kTable[] = {
    any(
        U::relu, "relu", kFloats | kSignedInts,
        STROP_FUNCTION { return x < 0 ? decltype(x)(0) : x; }),
    real(
        U::leaky_relu, "leaky_relu", STROP_FUNCTION { return x < 0 ? a * x : x; }),
    real(
        U::elu, "elu", STROP_FUNCTION { return x < 0 ? a * std::expm1(x) : x; }),
    real(
        U::selu, "selu", STROP_FUNCTION { return x <= 0 ? b * (a * std::expm1(x)) : b * x; }),
    real(
        U::celu, "celu", STROP_FUNCTION { return x < 0 ? a * std::expm1(x / a) : x; }),
    real(
        U::thresholded_relu, "thresholded_relu",
        STROP_FUNCTION { return x <= a ? decltype(x)(0) : x; }),
    any(
        U::shrink, "shrink", kReals,
        STROP_FUNCTION { return x < negate(a) ? x + b
                                : x > a       ? x - b
                                              : decltype(x)(0); }),
    real(
        U::sigmoid, "sigmoid", STROP_FUNCTION { return sigmoid(x); }),
    real(
        U::hard_sigmoid, "hard_sigmoid", STROP_FUNCTION { return clamp_unit(a * x + b); }),
    real(
        U::hard_swish, "hard_swish", STROP_FUNCTION { return x * clamp_unit(a * x + b); }),
    real(
        U::silu, "silu", STROP_FUNCTION { return x * sigmoid(a * x); }),
    real(
        U::mish, "mish", STROP_FUNCTION { return x * std::tanh(softplus(x)); }),
    real(
        U::gelu, "gelu",
        STROP_FUNCTION {
          using C = decltype(x);
          return C(0.5) * x * (C(1) + std::erf(x * C(0.70710678118654752440)));
        }),
    real(
        U::gelu_tanh, "gelu_tanh",
        STROP_FUNCTION {
          using C = decltype(x);
          const C inner = C(0.79788456080286535588) * (x + C(0.044715) * x * x * x);
          return C(0.5) * x * (C(1) + std::tanh(inner));
        }),
    real(
        U::softplus, "softplus", STROP_FUNCTION { return softplus(x); }),
    real(
        U::softsign, "softsign", STROP_FUNCTION { return x / (1 + std::abs(x)); }),
    real(
        U::exp, "exp", STROP_FUNCTION { return std::exp(x); }),
    real(
        U::log, "log", STROP_FUNCTION { return std::log(x); }),
    real(
        U::sqrt, "sqrt", STROP_FUNCTION { return std::sqrt(x); }),
    real(
        U::reciprocal, "reciprocal", STROP_FUNCTION { return 1 / x; }),
    real(
        U::erf, "erf", STROP_FUNCTION { return std::erf(x); }),
    any(
        U::neg, "neg", kFloats | kSignedInts, STROP_FUNCTION { return negate(x); }),
    any(
        U::abs, "abs", kReals,
        STROP_FUNCTION {
          if constexpr (std::is_floating_point_v<decltype(x)>) {
            return std::abs(x);
          } else {
            return x < 0 ? negate(x) : x;
          }
        }),
    any(
        U::sign, "sign", kReals,
        STROP_FUNCTION {
          using C = decltype(x);
          return x > 0 ? C(1) : x < 0 ? negate(C(1)) : x;  // zeros and NaN stay
        }),
    real(
        U::floor, "floor", STROP_FUNCTION { return std::floor(x); }),
    real(
        U::ceil, "ceil", STROP_FUNCTION { return std::ceil(x); }),
    real(
        U::round, "round",
        STROP_FUNCTION {  // half to even, whatever the rounding mode
          const auto down = std::floor(x);
          const auto rest = x - down;
          const bool up = rest > decltype(x)(0.5) ||
                          (rest == decltype(x)(0.5) && std::fmod(down, decltype(x)(2)) != 0);
          return std::copysign(up ? down + 1 : down, x);
        }),
    real(
        U::sin, "sin", STROP_FUNCTION { return std::sin(x); }),
    real(
        U::cos, "cos", STROP_FUNCTION { return std::cos(x); }),
    real(
        U::tan, "tan", STROP_FUNCTION { return std::tan(x); }),
    real(
        U::asin, "asin", STROP_FUNCTION { return std::asin(x); }),
    real(
        U::acos, "acos", STROP_FUNCTION { return std::acos(x); }),
    real(
        U::atan, "atan", STROP_FUNCTION { return std::atan(x); }),
    real(
        U::sinh, "sinh", STROP_FUNCTION { return std::sinh(x); }),
    real(
        U::cosh, "cosh", STROP_FUNCTION { return std::cosh(x); }),
    real(
        U::tanh, "tanh", STROP_FUNCTION { return std::tanh(x); }),
    real(
        U::asinh, "asinh", STROP_FUNCTION { return std::asinh(x); }),
    real(
        U::acosh, "acosh", STROP_FUNCTION { return std::acosh(x); }),
    real(
        U::atanh, "atanh", STROP_FUNCTION { return std::atanh(x); }),
    test(
        U::is_nan, "is_nan", STROP_FUNCTION { return decltype(x)(x != x); }),
    test(
        U::is_inf, "is_inf",
        STROP_FUNCTION { return decltype(x)(std::isinf(x) && (x < 0 ? a != 0 : b != 0)); }),
    bits(
        U::logical_not, "logical_not", kBool, STROP_FUNCTION { return decltype(x)(x == 0); }),
    bits(
        U::bitwise_not, "bitwise_not", kIntegers, STROP_FUNCTION { return ~x; }),
};

constexpr std::size_t kCount = std::size(kTable);

const Row& row_of(UnaryFunction function) {
  const Row& row = kTable[static_cast<std::size_t>(function)];
  STROP_CHECK(row.function == function, "the table has the order of the enum");
  return row;
}

void infer(InferContext& context) {
  const Row& row = row_of(context.attributes<UnaryAttributes>().function);
  Type type = context.input(0);
  context.require(row.types.contains(type.dtype), ErrorCode::bad_type,
                  std::string(row.name) + " does not take " + std::string(to_string(type.dtype)));
  if (row.to_bool) type.dtype = DType::boolean;
  const auto elements = context.elements(0);
  if (row.function == UnaryFunction::neg && elements && type.dtype == DType::i64) {
    std::vector<Dim> negated;
    for (const Dim& dim : *elements) {
      if (dim.is(std::numeric_limits<std::int64_t>::min())) break;
      negated.push_back(dim * Dim(-1));
    }
    if (negated.size() == elements->size()) context.set_elements(0, std::move(negated));
  }
  context.set_output(0, std::move(type));
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<UnaryAttributes>();
  const Row& row = row_of(attributes.function);
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    Loop<C> function = nullptr;
    if constexpr (std::is_same_v<C, float>) function = row.f32;
    if constexpr (std::is_same_v<C, double>) function = row.f64;
    if constexpr (std::is_same_v<C, std::int64_t>) function = row.i64;
    if constexpr (std::is_same_v<C, std::uint64_t>) function = row.u64;
    STROP_CHECK(function != nullptr, "inference admits only types that the function has");
    const C alpha = convert_number<C>(attributes.alpha);
    const C beta = convert_number<C>(attributes.beta);
    parallel_for(x.size(), 16 * kChunk, [&](std::int64_t begin, std::int64_t end) {
      std::array<C, kChunk> in, out;
      for (std::int64_t i = begin; i < end; i += kChunk) {
        const std::int64_t count = std::min(kChunk, end - i);
        C* result = result_chunk<C>(y, i, out.data());
        function(load_chunk<C>(x, i, count, in.data()), result, count, alpha, beta);
        store_chunk<C>(y, i, count, result);
      }
    });
  });
}

}  // namespace

std::span<const std::string_view> enum_names(UnaryFunction) {
  static const auto names = [] {
    std::array<std::string_view, kCount> out;
    for (std::size_t i = 0; i < kCount; ++i) out[i] = kTable[i].name;
    return out;
  }();
  return names;
}

template <class C>
void apply_unary(UnaryFunction function, const C* x, C* y, std::int64_t count, double alpha,
                 double beta) {
  const Row& row = row_of(function);
  Loop<C> run = nullptr;
  if constexpr (std::is_same_v<C, float>) run = row.f32;
  if constexpr (std::is_same_v<C, double>) run = row.f64;
  STROP_CHECK(run != nullptr, "the function is one of floats");
  run(x, y, count, static_cast<C>(alpha), static_cast<C>(beta));
}
template void apply_unary(UnaryFunction, const float*, float*, std::int64_t, double, double);
template void apply_unary(UnaryFunction, const double*, double*, std::int64_t, double, double);

const OpDef& op_unary() {
  static const OpDef def{
      .name = "unary",
      .summary = "y = function(x), element by element",
      .attributes = &attribute_schema<UnaryAttributes>(),
      .inputs = {{.name = "x", .types = kNumbers | kFloat8s | kBool}},
      .outputs = {{.name = "y", .types = kNumbers | kBool}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

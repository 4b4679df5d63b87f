// SPDX-License-Identifier: Apache-2.0
#include "passes/quantized_table.hpp"

#include <boost/multiprecision/cpp_bin_float.hpp>
#include <functional>

namespace strop {
namespace {

using Real = boost::multiprecision::cpp_bin_float_50;
namespace mp = boost::multiprecision;

Real logistic(const Real& x) { return 1 / (1 + mp::exp(-x)); }
Real clamp_unit(const Real& x) { return x < 0 ? Real(0) : x > 1 ? Real(1) : x; }

// erf by its series, which converges for every x; |x| beyond 6 is 1 to more digits than a result
// has (Abramowitz and Stegun, 7.1.6).
Real error_function(const Real& x) {
  if (x > 6) return 1;
  if (x < -6) return -1;
  Real term = x, sum = x;
  for (int n = 1; mp::abs(term) > Real("1e-45"); ++n) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  const Real pi = mp::acos(Real(-1));
  return 2 / mp::sqrt(pi) * mp::exp(-x * x) * sum;
}

std::function<Real(const Real&)> real_function(const UnaryAttributes& attributes) {
  const Real alpha = attributes.alpha, beta = attributes.beta;
  switch (attributes.function) {
    case UnaryFunction::relu:
      return [](const Real& x) { return x < 0 ? Real(0) : x; };
    case UnaryFunction::leaky_relu:
      return [alpha](const Real& x) { return x < 0 ? Real(alpha * x) : x; };
    case UnaryFunction::elu:
      return [alpha](const Real& x) { return x < 0 ? Real(alpha * (mp::exp(x) - 1)) : x; };
    case UnaryFunction::sigmoid:
      return logistic;
    case UnaryFunction::hard_sigmoid:
      return [=](const Real& x) { return clamp_unit(alpha * x + beta); };
    case UnaryFunction::hard_swish:
      return [=](const Real& x) { return Real(x * clamp_unit(alpha * x + beta)); };
    case UnaryFunction::silu:
      return [alpha](const Real& x) { return Real(x * logistic(alpha * x)); };
    case UnaryFunction::mish:
      return [](const Real& x) { return Real(x * mp::tanh(mp::log(1 + mp::exp(x)))); };
    case UnaryFunction::gelu:
      return
          [](const Real& x) { return Real(x / 2 * (1 + error_function(x / mp::sqrt(Real(2))))); };
    case UnaryFunction::gelu_tanh:
      return [](const Real& x) {
        const Real pi = mp::acos(Real(-1));
        const Real cubic = x + Real("0.044715") * x * x * x;
        return Real(x / 2 * (1 + mp::tanh(mp::sqrt(2 / pi) * cubic)));
      };
    case UnaryFunction::tanh:
      return [](const Real& x) { return Real(mp::tanh(x)); };
    case UnaryFunction::exp:
      return [](const Real& x) { return Real(mp::exp(x)); };
    case UnaryFunction::softplus:
      return [](const Real& x) { return Real(mp::log(1 + mp::exp(x))); };
    case UnaryFunction::neg:
      return [](const Real& x) { return Real(-x); };
    case UnaryFunction::abs:
      return [](const Real& x) { return Real(mp::abs(x)); };
    case UnaryFunction::erf:
      return error_function;
    default:
      return nullptr;
  }
}

Tensor tabulate(const QuantizedValue& from, const std::function<Real(const Real&)>& function,
                const QuantizedValue& to) {
  const QuantizedRange range = whole_range(to.dtype);
  Tensor table = Tensor::allocate(to.dtype, {256});
  for (int bits = 0; bits < 256; ++bits) {
    const std::int64_t q = from.dtype == DType::i8 ? static_cast<std::int8_t>(bits) : bits;
    const Real x = Real(q - from.zero()) * Real(from.scale());
    const Real y = function(x) / Real(to.scale());
    if (mp::isnan(y)) {  // a parameter of the function that is no number
      table.mutable_data()[bits] = static_cast<std::byte>(static_cast<std::uint8_t>(to.zero()));
      continue;
    }
    // Half to even, on the exact number.
    Real whole = mp::floor(y);
    const Real rest = y - whole;
    const Real half(0.5);
    const bool odd = mp::fmod(whole, Real(2)) != 0;
    if (rest > half || (rest == half && odd)) whole += 1;
    whole += to.zero();
    const std::int64_t result = whole < range.low    ? range.low
                                : whole > range.high ? range.high
                                                     : static_cast<std::int64_t>(whole);
    table.mutable_data()[bits] = static_cast<std::byte>(static_cast<std::uint8_t>(result));
  }
  return table;
}

}  // namespace

std::optional<Tensor> make_table(const QuantizedValue& from, const UnaryAttributes& attributes,
                                 const QuantizedValue& to) {
  const auto function = real_function(attributes);
  if (!function) return std::nullopt;
  return tabulate(from, function, to);
}

Tensor make_rescaling_table(const QuantizedValue& from, const QuantizedValue& to) {
  return tabulate(
      from, [](const Real& x) { return x; }, to);
}

}  // namespace strop

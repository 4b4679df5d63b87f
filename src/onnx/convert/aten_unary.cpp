// SPDX-License-Identifier: Apache-2.0
// Functions of one tensor in PyTorch, activations among them. Integers become f32 where the result
// is no integer.
#include <cmath>
#include <numbers>

#include "onnx/convert/aten_support.hpp"
#include "ops/identity.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using U = UnaryFunction;

template <U kFunction>
void of_floats(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {kFunction}, floating(c, a.tensor("self"))));
}

// Of integers too, which stay integers.
template <U kFunction>
void of_numbers(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {kFunction}, a.tensor("self")));
}

// Integers are whole already.
template <U kFunction>
void rounded(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, kFloats.contains(c.type(x).dtype) ? unary(c, {kFunction}, x) : x);
}

// The logarithm, of 1 + x or to a base.
template <int kBase>
void log_to_base(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId log = unary(c, {U::log}, floating(c, a.tensor("self")));
  c.set_output(0, scaled(c, log, 1 / std::log(static_cast<double>(kBase))));
}

void rsqrt(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {U::reciprocal}, unary(c, {U::sqrt}, floating(c, a.tensor("self")))));
}

void square(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, binary(c, B::mul, x, x));
}

void trunc(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  if (!kFloats.contains(c.type(x).dtype)) return c.set_output(0, x);
  const ValueId below = binary(c, B::less, x, scalar(c, c.type(x).dtype, 0));
  c.set_output(0, chosen(c, below, unary(c, {U::ceil}, x), unary(c, {U::floor}, x)));
}

void logical_not(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {U::logical_not}, cast_to(c, a.tensor("self"), DType::boolean)));
}

void bitwise_not(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  const bool boolean = c.type(x).dtype == DType::boolean;
  c.set_output(0, unary(c, {boolean ? U::logical_not : U::bitwise_not}, x));
}

void gelu(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"", "self approximate"}});
  const std::string how = a.text("approximate", "none");
  if (how != "none" && how != "tanh")
    a.malformed("approximate is \"" + how + "\"; it may be none or tanh");
  c.set_output(0, unary(c, {how == "tanh" ? U::gelu_tanh : U::gelu}, a.tensor("self")));
}

void leaky_relu(ConvertContext& c) {
  AtenCall a(c, {{"", "self negative_slope"}});
  c.set_output(0, unary(c, {U::leaky_relu, a.number("negative_slope", 0.01)}, a.tensor("self")));
}

// scale * elu(x * input_scale), where SELU has its own numbers.
void elu(ConvertContext& c) {
  AtenCall a(c, {{"", "self alpha scale input_scale"}});
  const double scale = a.number("scale", 1);
  if (a.number("input_scale", 1) != 1) a.refuse("an input_scale other than 1");
  const ValueId y = unary(c, {U::elu, a.number("alpha", 1)}, a.tensor("self"));
  c.set_output(0, scaled(c, y, scale));
}

void selu(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {U::selu, 1.6732632423543772, 1.0507009873554805}, a.tensor("self")));
}

void celu(ConvertContext& c) {
  AtenCall a(c, {{"", "self alpha"}});
  c.set_output(0, unary(c, {U::celu, a.number("alpha", 1)}, a.tensor("self")));
}

// log(1 + exp(beta x)) / beta, and x itself above the threshold, where the two are equal within
// rounding.
void softplus(ConvertContext& c) {
  AtenCall a(c, {{"", "self beta threshold"}});
  const double beta = a.number("beta", 1), threshold = a.number("threshold", 20);
  if (beta == 0) a.malformed("beta must not be 0");
  const ValueId x = a.tensor("self");
  const ValueId inner = scaled(c, x, beta);
  const ValueId y = scaled(c, unary(c, {U::softplus}, inner), 1 / beta);
  const ValueId linear = binary(c, B::greater, inner, scalar(c, c.type(x).dtype, threshold));
  c.set_output(0, chosen(c, linear, x, y));
}

void hardtanh(ConvertContext& c) {
  AtenCall a(c, {{"", "self min_val max_val"}});
  const ValueId x = a.tensor("self");
  const DType dtype = c.type(x).dtype;
  const ValueId low = binary(c, B::max, x, scalar(c, dtype, a.number("min_val", -1)));
  c.set_output(0, binary(c, B::min, low, scalar(c, dtype, a.number("max_val", 1))));
}

void relu6(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  const DType dtype = c.type(x).dtype;
  c.set_output(0,
               binary(c, B::min, binary(c, B::max, x, scalar(c, dtype, 0)), scalar(c, dtype, 6)));
}

void hardsigmoid(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {U::hard_sigmoid, 1.0 / 6, 0.5}, a.tensor("self")));
}

void hardswish(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  c.set_output(0, unary(c, {U::hard_swish, 1.0 / 6, 0.5}, a.tensor("self")));
}

// One slope for all, or one per channel.
void prelu(ConvertContext& c) {
  AtenCall a(c, {{"", "self weight"}});
  const ValueId x = a.tensor("self");
  ValueId slope = a.tensor("weight");
  const std::int64_t rank = c.rank(x);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(std::max<std::int64_t>(rank - 1, 1)), 1);
  shape[0] = -1;
  if (known_size(c, slope, 0) == 1) shape.assign(1, 1);
  c.set_output(0, binary(c, B::prelu, x, reshaped(c, slope, shape)));
}

void log_sigmoid(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}});
  const ValueId x = a.tensor("self");
  c.set_output(0, unary(c, {U::neg}, unary(c, {U::softplus}, unary(c, {U::neg}, x))));
}

void same(ConvertContext& c) {
  AtenCall a(c, {{"", "self"}, {"", "self memory_format"}, {"", "input p train"}});
  if (a.boolean("train", false) && a.number("p", 0) > 0) a.refuse("dropout in training");
  const ValueId x = a.given("self") ? a.tensor("self") : a.tensor("input");
  c.set_output(0, c.emit(op_identity(), NoAttributes{}, {x}));
}

}  // namespace

void register_aten_unary(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"abs", of_numbers<U::abs>},
      {"neg", of_numbers<U::neg>},
      {"sign", of_numbers<U::sign>},
      {"relu", of_numbers<U::relu>},
      {"exp", of_floats<U::exp>},
      {"log", of_floats<U::log>},
      {"log2", log_to_base<2>},
      {"log10", log_to_base<10>},
      {"sqrt", of_floats<U::sqrt>},
      {"rsqrt", rsqrt},
      {"square", square},
      {"reciprocal", of_floats<U::reciprocal>},
      {"erf", of_floats<U::erf>},
      {"sin", of_floats<U::sin>},
      {"cos", of_floats<U::cos>},
      {"tan", of_floats<U::tan>},
      {"asin", of_floats<U::asin>},
      {"acos", of_floats<U::acos>},
      {"atan", of_floats<U::atan>},
      {"sinh", of_floats<U::sinh>},
      {"cosh", of_floats<U::cosh>},
      {"tanh", of_floats<U::tanh>},
      {"asinh", of_floats<U::asinh>},
      {"acosh", of_floats<U::acosh>},
      {"atanh", of_floats<U::atanh>},
      {"sigmoid", of_floats<U::sigmoid>},
      {"log_sigmoid", log_sigmoid},
      {"silu", of_floats<U::silu>},
      {"mish", of_floats<U::mish>},
      {"softsign", of_floats<U::softsign>},
      {"isnan", of_floats<U::is_nan>},
      {"floor", rounded<U::floor>},
      {"ceil", rounded<U::ceil>},
      {"round", rounded<U::round>},
      {"trunc", trunc},
      {"logical_not", logical_not},
      {"bitwise_not", bitwise_not},
      {"gelu", gelu},
      {"leaky_relu", leaky_relu},
      {"elu", elu},
      {"selu", selu},
      {"celu", celu},
      {"softplus", softplus},
      {"hardtanh", hardtanh},
      {"relu6", relu6},
      {"hardsigmoid", hardsigmoid},
      {"hardswish", hardswish},
      {"prelu", prelu},
      {"detach", same},
      {"alias", same},
      {"clone", same},
      {"contiguous", same},
      {"dropout", same},
      {"feature_dropout", same},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx

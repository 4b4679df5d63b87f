// SPDX-License-Identifier: Apache-2.0
// Functions of one tensor, element by element. Their meaning never changed between opsets; what did
// are types, and `consumed_inputs` of opset 1, which says nothing about the result.
#include "ops/unary.hpp"

#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

using U = UnaryFunction;

void emit_unary(ConvertContext& c, const UnaryAttributes& attributes) {
  c.ignore_attribute("consumed_inputs");
  c.set_output(0, c.emit(op_unary(), attributes, {c.input(0)}));
}

template <U kFunction>
void plain(ConvertContext& c) {
  emit_unary(c, {kFunction});
}

void leaky_relu(ConvertContext& c) {
  emit_unary(c, {U::leaky_relu, c.float_attribute("alpha", 0.01f)});
}

template <U kFunction>
void with_alpha_of_one(ConvertContext& c) {
  emit_unary(c, {kFunction, c.float_attribute("alpha", 1.0f)});
}

void selu_1(ConvertContext& c) {
  emit_unary(c,
             {U::selu, c.float_attribute("alpha", 1.6732f), c.float_attribute("gamma", 1.0507f)});
}

void selu_6(ConvertContext& c) {
  emit_unary(c, {U::selu, c.float_attribute("alpha", 1.67326319217681884765625f),
                 c.float_attribute("gamma", 1.05070102214813232421875f)});
}

void hard_sigmoid(ConvertContext& c) {
  emit_unary(c,
             {U::hard_sigmoid, c.float_attribute("alpha", 0.2f), c.float_attribute("beta", 0.5f)});
}

void hard_swish(ConvertContext& c) { emit_unary(c, {U::hard_swish, 1.0 / 6.0, 0.5}); }

void shrink(ConvertContext& c) {
  emit_unary(c, {U::shrink, c.float_attribute("lambd", 0.5f), c.float_attribute("bias", 0.0f)});
}

void gelu(ConvertContext& c) {
  const std::string approximate = c.string_attribute("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    c.fail(ErrorCode::bad_attribute, "approximate is \"" + approximate + "\"",
           "it may be none or tanh");
  }
  emit_unary(c, {approximate == "tanh" ? U::gelu_tanh : U::gelu});
}

void is_inf(ConvertContext& c) {
  emit_unary(c, {U::is_inf, static_cast<double>(c.int_attribute("detect_negative", 1)),
                 static_cast<double>(c.int_attribute("detect_positive", 1))});
}

}  // namespace

void register_unary(ConverterTable& table) {
  table.add("Relu", 1, plain<U::relu>);
  table.add("LeakyRelu", 1, leaky_relu);
  table.add("Elu", 1, with_alpha_of_one<U::elu>);
  table.add("Selu", 1, selu_1);
  table.add("Selu", 6, selu_6);
  table.add("Celu", 12, with_alpha_of_one<U::celu>);
  table.add("ThresholdedRelu", 10, with_alpha_of_one<U::thresholded_relu>);
  table.add("Shrink", 9, shrink);
  table.add("Sigmoid", 1, plain<U::sigmoid>);
  table.add("HardSigmoid", 1, hard_sigmoid);
  table.add("HardSwish", 14, hard_swish);
  table.add("Swish", 24, with_alpha_of_one<U::silu>);
  table.add("Mish", 18, plain<U::mish>);
  table.add("Gelu", 20, gelu);
  table.add("Softplus", 1, plain<U::softplus>);
  table.add("Softsign", 1, plain<U::softsign>);
  table.add("Exp", 1, plain<U::exp>);
  table.add("Log", 1, plain<U::log>);
  table.add("Sqrt", 1, plain<U::sqrt>);
  table.add("Reciprocal", 1, plain<U::reciprocal>);
  table.add("Erf", 9, plain<U::erf>);
  table.add("Neg", 1, plain<U::neg>);
  table.add("Abs", 1, plain<U::abs>);
  table.add("Sign", 9, plain<U::sign>);
  table.add("Floor", 1, plain<U::floor>);
  table.add("Ceil", 1, plain<U::ceil>);
  table.add("Round", 11, plain<U::round>);
  table.add("Sin", 7, plain<U::sin>);
  table.add("Cos", 7, plain<U::cos>);
  table.add("Tan", 7, plain<U::tan>);
  table.add("Asin", 7, plain<U::asin>);
  table.add("Acos", 7, plain<U::acos>);
  table.add("Atan", 7, plain<U::atan>);
  table.add("Sinh", 9, plain<U::sinh>);
  table.add("Cosh", 9, plain<U::cosh>);
  table.add("Tanh", 1, plain<U::tanh>);
  table.add("Asinh", 9, plain<U::asinh>);
  table.add("Acosh", 9, plain<U::acosh>);
  table.add("Atanh", 9, plain<U::atanh>);
  table.add("IsNaN", 9, plain<U::is_nan>);
  table.add("IsInf", 10, is_inf);
  table.add("Not", 1, plain<U::logical_not>);
  table.add("BitwiseNot", 18, plain<U::bitwise_not>);
}

}  // namespace strop::onnx

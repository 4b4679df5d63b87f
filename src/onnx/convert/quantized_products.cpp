// SPDX-License-Identifier: Apache-2.0
// Convolutions and matrix products of quantised tensors: an exact integer product, whose sums
// become real numbers by the product of the scales; where the result is quantised, these are
// divided by its scale and rounded half to even. ONNX Runtime multiplies the sums by one factor
// instead, which differs by one step where a result lies within rounding errors of a half.
#include "onnx/convert/conv_attributes.hpp"
#include "onnx/convert/quantized_support.hpp"
#include "ops/conv_integer.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "ops/matmul.hpp"
#include "ops/matmul_integer.hpp"

namespace strop::onnx {
namespace {

using namespace quantized;

void conv_integer(ConvertContext& c) {
  c.set_output(0, c.emit(op_conv_integer(), conv_attributes(c, 1),
                         {c.input(0), c.input(1), c.optional_input(2), c.optional_input(3)}));
}

void qlinear_conv(ConvertContext& c, bool nhwc) {
  const ConvAttributes attributes = conv_attributes(c, 3);
  const Quantized x = quantized_input(c, 0), w = quantized_input(c, 3);
  const ValueId y_scale = c.input(6), y_zero = c.input(7);
  require_single(c, x.scale, "x_scale");
  require_single(c, y_scale, "y_scale");
  const ValueId in = nhwc ? channels_first(c, x.value) : x.value;
  const ValueId sums = c.emit(op_conv_integer(), attributes,
                              {in, w.value, c.input(2), c.input(5), c.optional_input(8)});
  const ValueId real = scale_sums(c, sums, scale_product(c, x.scale, w.scale), 1);
  const ValueId y = quantize(c, real, y_scale, y_zero, c.type(y_zero).dtype);
  c.set_output(0, nhwc ? channels_last(c, y) : y);
}

void qlinear_conv_onnx(ConvertContext& c) { qlinear_conv(c, false); }

// Weights are [M, C / group, kernel...] in either layout of the activations.
void qlinear_conv_microsoft(ConvertContext& c) {
  qlinear_conv(c, c.int_attribute("channels_last", 0) != 0);
}

void matmul_integer(ConvertContext& c) {
  c.set_output(0, c.emit(op_matmul_integer(), NoAttributes{},
                         {c.input(0), c.input(1), c.optional_input(2), c.optional_input(3)}));
}

// Scales per row of a, [M] or [..., M, 1], and per column of b, [N] or [..., 1, N], so that they
// broadcast to the product.
ValueId product_scale(ConvertContext& c, const Quantized& a, const Quantized& b) {
  ValueId rows = a.scale;
  const auto& shape = c.type(rows).shape;
  const bool list = shape && shape->size() == 1 && !(*shape)[0].is(1);
  if (list || !may_be_single(c, rows)) {
    if (c.type(b.value).rank() == 1) {
      c.fail(ErrorCode::unsupported_operator, "a has a scale per row, and b is a vector",
             "make b a matrix of one column");
    }
    if (list) rows = reshaped(c, rows, {-1, 1});
  }
  return scale_product(c, rows, b.scale);
}

void qlinear_matmul(ConvertContext& c) {
  const Quantized a = quantized_input(c, 0), b = quantized_input(c, 3);
  const ValueId y_scale = c.input(6), y_zero = c.input(7);
  require_single(c, y_scale, "y_scale");
  ValueId real;
  if (kFloat8s.contains(c.type(a.value).dtype) || kFloat8s.contains(c.type(b.value).dtype)) {
    real = c.emit(op_matmul(), NoAttributes{}, {dequantize(c, a, -2), dequantize(c, b, -1)});
  } else {
    const ValueId sums =
        c.emit(op_matmul_integer(), NoAttributes{}, {a.value, b.value, c.input(2), c.input(5)});
    real = scale_sums(c, sums, product_scale(c, a, b), -1);
  }
  c.set_output(0, quantize(c, real, cast_to(c, y_scale, DType::f32), y_zero, c.type(y_zero).dtype));
}

// C counts in steps of alpha * a_scale * b_scale.
void qgemm(ConvertContext& c) {
  Quantized a = quantized_input(c, 0), b = quantized_input(c, 3);
  require_single(c, a.scale, "a_scale");
  require_single(c, a.zero_point, "a_zero_point");
  const double alpha = static_cast<double>(c.float_attribute("alpha", 1.0f));
  if (c.int_attribute("transA", 0) != 0) a.value = transposed(c, a.value, {1, 0});
  if (c.int_attribute("transB", 0) != 0) b.value = transposed(c, b.value, {1, 0});
  ValueId sums =
      c.emit(op_matmul_integer(), NoAttributes{}, {a.value, b.value, a.zero_point, b.zero_point});
  if (c.has_input(6)) sums = binary(c, BinaryFunction::add, sums, c.input(6));
  ValueId scale = scale_product(c, a.scale, b.scale);
  if (alpha != 1) {
    scale = binary(c, BinaryFunction::mul, scalar(c, DType::f32, alpha), scale);
  }
  const ValueId real = scale_sums(c, sums, scale, 1);
  if (!c.has_input(7)) {
    if (c.has_input(8)) c.fail(ErrorCode::model_malformed, "y_zero_point is there without y_scale");
    return c.set_output(0, real);
  }
  require_single(c, c.input(7), "y_scale");
  const ValueId zero = c.optional_input(8);
  const DType to = c.type(zero.exists() ? zero : a.value).dtype;
  c.set_output(0, quantize(c, real, c.input(7), zero, to));
}

// A product of integers as real numbers of b's scale type, plus a bias.
void real_product(ConvertContext& c, const Quantized& a, const Quantized& b, ValueId bias) {
  require_single(c, a.scale, "a_scale");
  require_single(c, a.zero_point, "a_zero_point");
  const DType to = c.type(b.scale).dtype;
  const ValueId sums =
      c.emit(op_matmul_integer(), NoAttributes{}, {a.value, b.value, a.zero_point, b.zero_point});
  ValueId y = scale_sums(c, sums, scale_product(c, a.scale, b.scale), -1);
  if (bias.exists()) y = binary(c, BinaryFunction::add, y, cast_to(c, bias, DType::f32));
  c.set_output(0, cast_to(c, y, to));
}

void matmul_integer_to_float(ConvertContext& c) {
  real_product(c, {c.input(0), c.input(2), c.optional_input(4)},
               {c.input(1), c.input(3), c.optional_input(5)}, c.optional_input(6));
}

void dynamic_quantize_matmul(ConvertContext& c) {
  const auto a = c.emit_many(op_dynamic_quantize_linear(), NoAttributes{}, {c.input(0)}, 3);
  real_product(c, {a[0], a[1], a[2]}, {c.input(1), c.input(2), c.optional_input(3)},
               c.optional_input(4));
}

void dynamic_quantize_linear(ConvertContext& c) {
  c.set_outputs(c.emit_many(op_dynamic_quantize_linear(), NoAttributes{}, {c.input(0)}, 3));
}

void dynamic_quantize_lstm(ConvertContext& c) {
  c.fail(ErrorCode::unsupported_operator, "an LSTM that quantises its inputs at every step",
         "leave LSTM out when quantising (op_types_to_quantize); it runs as it is");
}

}  // namespace

void register_quantized_products(ConverterTable& table) {
  table.add("ConvInteger", 10, conv_integer);
  table.add("QLinearConv", 10, qlinear_conv_onnx);
  table.add("MatMulInteger", 10, matmul_integer);
  table.add("QLinearMatMul", 10, qlinear_matmul);
  table.add("DynamicQuantizeLinear", 11, dynamic_quantize_linear);
  table.add(kMicrosoft, "QLinearConv", 1, qlinear_conv_microsoft);
  table.add(kMicrosoft, "QGemm", 1, qgemm);
  table.add(kMicrosoft, "MatMulIntegerToFloat", 1, matmul_integer_to_float);
  table.add(kMicrosoft, "DynamicQuantizeMatMul", 1, dynamic_quantize_matmul);
  table.add(kMicrosoft, "DynamicQuantizeLSTM", 1, dynamic_quantize_lstm);
}

}  // namespace strop::onnx

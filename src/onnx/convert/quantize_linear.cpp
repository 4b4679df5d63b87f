// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear: per tensor from opset 10, per axis from 13, FP8 from 19,
// per block from 21, FP4 from 23, 2 bits from 25. Those of ONNX Runtime's domain are the standard's
// of opset 13 with 16-bit floats and 16- and 4-bit integers.
#include "ops/quantize_linear.hpp"

#include "onnx/converter_table.hpp"
#include "ops/dequantize_linear.hpp"

namespace strop::onnx {
namespace {

// The type an attribute names, where 0 leaves the choice to `otherwise`.
DType type_attribute(ConvertContext& c, const char* name, DType otherwise) {
  const std::int64_t number = c.int_attribute(name, 0);
  if (number == 0) return otherwise;
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) {
    c.fail(ErrorCode::bad_attribute,
           std::string(name) + " is " + std::to_string(number) + ", which is no type");
  }
  return *dtype;
}

void quantize_linear(ConvertContext& c) {
  QuantizeLinearAttributes attributes;
  DType to = c.has_input(2) ? c.type(c.input(2)).dtype : DType::u8;
  if (c.opset() >= 13) attributes.axis = c.int_attribute("axis", 1);
  if (c.opset() >= 19) attributes.saturate = c.int_attribute("saturate", 1) != 0;
  if (c.opset() >= 21) {
    attributes.block_size = c.int_attribute("block_size", 0);
    to = type_attribute(c, "output_dtype", to);
  }
  // Without it the division is done in FP32, also where the scale has 16 bits.
  if (c.opset() >= 23) attributes.precision = type_attribute(c, "precision", DType::f32);
  attributes.to = to;
  c.set_output(
      0, c.emit(op_quantize_linear(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

void dequantize_linear(ConvertContext& c) {
  DequantizeLinearAttributes attributes;
  attributes.to = c.type(c.input(1)).dtype;
  if (c.opset() >= 13) attributes.axis = c.int_attribute("axis", 1);
  if (c.opset() >= 21) attributes.block_size = c.int_attribute("block_size", 0);
  if (c.opset() >= 23) attributes.to = type_attribute(c, "output_dtype", attributes.to);
  c.set_output(
      0, c.emit(op_dequantize_linear(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

void quantize_linear_microsoft(ConvertContext& c) {
  const ValueId zero = c.optional_input(2);
  const QuantizeLinearAttributes attributes{.to = zero.exists() ? c.type(zero).dtype : DType::u8,
                                            .axis = c.int_attribute("axis", 1)};
  c.set_output(0, c.emit(op_quantize_linear(), attributes, {c.input(0), c.input(1), zero}));
}

void dequantize_linear_microsoft(ConvertContext& c) {
  const DequantizeLinearAttributes attributes{.to = c.type(c.input(1)).dtype,
                                              .axis = c.int_attribute("axis", 1)};
  c.set_output(
      0, c.emit(op_dequantize_linear(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

}  // namespace

void register_quantize_linear(ConverterTable& table) {
  table.add("QuantizeLinear", 10, quantize_linear);
  table.add("DequantizeLinear", 10, dequantize_linear);
  table.add("com.microsoft", "QuantizeLinear", 1, quantize_linear_microsoft);
  table.add("com.microsoft", "DequantizeLinear", 1, dequantize_linear_microsoft);
}

}  // namespace strop::onnx

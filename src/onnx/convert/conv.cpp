// SPDX-License-Identifier: Apache-2.0
// Conv, ConvTranspose, and FusedConv of com.microsoft.
#include "onnx/convert/conv_attributes.hpp"
#include "onnx/convert/fused_activation.hpp"
#include "onnx/converter_table.hpp"
#include "ops/conv_transpose.hpp"

namespace strop::onnx {
namespace {

ValueId emit_conv(ConvertContext& c) {
  return c.emit(op_conv(), conv_attributes(c, 1), {c.input(0), c.input(1), c.optional_input(2)});
}

void conv(ConvertContext& c) { c.set_output(0, emit_conv(c)); }

// Input 3 is added before the activation.
void fused_conv(ConvertContext& c) {
  ValueId y = emit_conv(c);
  if (c.has_input(3)) y = binary(c, BinaryFunction::add, y, c.input(3));
  c.set_output(0, activated(c, y, c.string_attribute("activation", ""),
                            c.floats_attribute("activation_params")));
}

void conv_transpose(ConvertContext& c) {
  check_kernel_shape(c, 1);
  ConvTransposeAttributes attributes;
  attributes.strides = c.ints_attribute("strides");
  attributes.dilations = c.ints_attribute("dilations");
  attributes.pads = c.ints_attribute("pads");
  attributes.output_padding = c.ints_attribute("output_padding");
  attributes.output_shape = c.ints_attribute("output_shape");
  attributes.auto_pad = auto_pad_attribute(c);
  attributes.group = c.int_attribute("group", 1);
  c.set_output(
      0, c.emit(op_conv_transpose(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

}  // namespace

void register_conv(ConverterTable& table) {
  table.add("Conv", 1, conv);
  table.add("ConvTranspose", 1, conv_transpose);
  table.add("com.microsoft", "FusedConv", 1, fused_conv);
}

}  // namespace strop::onnx

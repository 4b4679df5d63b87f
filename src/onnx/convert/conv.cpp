// SPDX-License-Identifier: Apache-2.0
// Conv and ConvTranspose.
#include "onnx/convert/conv_attributes.hpp"
#include "onnx/converter_table.hpp"
#include "ops/conv_transpose.hpp"

namespace strop::onnx {
namespace {

void conv(ConvertContext& c) {
  c.set_output(
      0, c.emit(op_conv(), conv_attributes(c, 1), {c.input(0), c.input(1), c.optional_input(2)}));
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
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Conv and ConvTranspose. The kernel's size is that of the weights; kernel_shape may only repeat
// it.
#include "ops/conv.hpp"

#include "onnx/convert/window_attributes.hpp"
#include "onnx/converter_table.hpp"
#include "ops/conv_transpose.hpp"

namespace strop::onnx {
namespace {

void check_kernel_shape(ConvertContext& c) {
  const auto kernel = c.ints_attribute("kernel_shape");
  const auto& w = c.type(c.input(1)).shape;
  if (kernel.empty() || !w) return;
  bool fits = w->size() == kernel.size() + 2;
  for (std::size_t i = 0; fits && i < kernel.size(); ++i) {
    fits = !(*w)[i + 2].is_constant() || (*w)[i + 2].is(kernel[i]);
  }
  if (!fits) {
    c.fail(ErrorCode::bad_shape,
           "kernel_shape is " + to_string(kernel) + ", but the weights are " + to_string(*w));
  }
}

void conv(ConvertContext& c) {
  check_kernel_shape(c);
  ConvAttributes attributes;
  attributes.strides = c.ints_attribute("strides");
  attributes.dilations = c.ints_attribute("dilations");
  attributes.pads = c.ints_attribute("pads");
  attributes.auto_pad = auto_pad_attribute(c);
  attributes.group = c.int_attribute("group", 1);
  c.set_output(0, c.emit(op_conv(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

void conv_transpose(ConvertContext& c) {
  check_kernel_shape(c);
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

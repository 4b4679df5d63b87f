// SPDX-License-Identifier: Apache-2.0
// The attributes that all convolutions share. The kernel's size is that of the weights;
// kernel_shape may only repeat it.
#pragma once

#include "onnx/convert/window_attributes.hpp"
#include "ops/conv.hpp"

namespace strop::onnx {

inline void check_kernel_shape(ConvertContext& c, std::size_t weights) {
  const auto kernel = c.ints_attribute("kernel_shape");
  const auto& w = c.type(c.input(weights)).shape;
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

inline ConvAttributes conv_attributes(ConvertContext& c, std::size_t weights) {
  check_kernel_shape(c, weights);
  ConvAttributes attributes;
  attributes.strides = c.ints_attribute("strides");
  attributes.dilations = c.ints_attribute("dilations");
  attributes.pads = c.ints_attribute("pads");
  attributes.auto_pad = auto_pad_attribute(c);
  attributes.group = c.int_attribute("group", 1);
  return attributes;
}

}  // namespace strop::onnx

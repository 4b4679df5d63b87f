// SPDX-License-Identifier: Apache-2.0
// The attributes that all pools over windows share.
#pragma once

#include "onnx/convert/window_attributes.hpp"
#include "ops/pool.hpp"

namespace strop::onnx {

inline PoolAttributes pool_attributes(ConvertContext& c, PoolFunction function) {
  PoolAttributes attributes{.function = function};
  attributes.kernel = c.ints_attribute("kernel_shape");
  attributes.strides = c.ints_attribute("strides");
  attributes.pads = c.ints_attribute("pads");
  attributes.auto_pad = auto_pad_attribute(c);
  if (attributes.kernel.empty()) c.fail(ErrorCode::bad_attribute, "kernel_shape is missing");
  return attributes;
}

}  // namespace strop::onnx

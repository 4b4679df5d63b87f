// SPDX-License-Identifier: Apache-2.0
// The auto_pad attribute that convolution and pooling share.
#pragma once

#include "onnx/converter_table.hpp"
#include "ops/window.hpp"

namespace strop::onnx {

inline AutoPad auto_pad_attribute(ConvertContext& c) {
  const std::string text = c.string_attribute("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::explicit_pads;
  if (text == "SAME_UPPER") return AutoPad::same_upper;
  if (text == "SAME_LOWER") return AutoPad::same_lower;
  if (text == "VALID") return AutoPad::valid;
  c.fail(ErrorCode::bad_attribute, "auto_pad is \"" + text + "\"",
         "it may be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

}  // namespace strop::onnx

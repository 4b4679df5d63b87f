// SPDX-License-Identifier: Apache-2.0
// Reading attributes that several converters share the form of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "onnx/converter_table.hpp"

namespace strop::onnx {

// An attribute whose strings are the names of an enum of the IR.
template <class E>
E enum_attribute(ConvertContext& c, std::string_view name, std::string_view otherwise) {
  const std::string text = c.string_attribute(name, otherwise);
  const auto names = enum_names(E{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<E>(i);
  }
  std::string known;
  for (const std::string_view each : names)
    known += (known.empty() ? "" : ", ") + std::string(each);
  c.fail(ErrorCode::bad_attribute,
         std::string(name) + " is \"" + text + "\"; it may be one of " + known);
}

// As ConvertContext::axis where the rank of the input is known, else the number as it is, which the
// operator checks when it runs.
inline std::int64_t axis_if_ranked(ConvertContext& c, std::int64_t value, std::size_t input) {
  return c.type(c.input(input)).rank() >= 0 ? c.axis(value, input) : value;
}

}  // namespace strop::onnx

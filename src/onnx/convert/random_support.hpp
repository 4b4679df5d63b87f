// SPDX-License-Identifier: Apache-2.0
// Seeds of the random operators. A node without a seed draws other values in every run.
#pragma once

#include <bit>

#include "onnx/converter_table.hpp"

namespace strop::onnx {

// The standard's seed is a float: the generator's key is its 32 bits.
inline std::optional<std::int64_t> float_seed(ConvertContext& c) {
  if (!c.has_attribute("seed")) return std::nullopt;
  return std::bit_cast<std::uint32_t>(c.float_attribute("seed"));
}

// Dropout's is an integer: the key itself.
inline std::optional<std::int64_t> integer_seed(ConvertContext& c) {
  if (!c.has_attribute("seed")) return std::nullopt;
  return c.int_attribute("seed");
}

}  // namespace strop::onnx

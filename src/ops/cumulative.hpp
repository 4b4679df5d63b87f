// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class CumulativeFunction : std::uint8_t { sum, prod };

inline std::span<const std::string_view> enum_names(CumulativeFunction) {
  static constexpr std::array<std::string_view, 2> names = {"sum", "prod"};
  return names;
}

struct CumulativeAttributes {
  CumulativeFunction function = CumulativeFunction::sum;
  bool exclusive = false;
  bool reverse = false;

  static void reflect(auto& field) {
    field("function", &CumulativeAttributes::function, "what joins the elements");
    field("exclusive", &CumulativeAttributes::exclusive, "an element does not count for itself");
    field("reverse", &CumulativeAttributes::reverse, "from the end of the axis");
  }
};

// x, axis (one element).
const OpDef& op_cumulative();

}  // namespace strop

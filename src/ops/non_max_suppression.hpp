// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class BoxFormat : std::uint8_t {
  corners,  // y1, x1, y2, x2: any two opposite corners
  center,   // x, y of the center, width, height
};

inline std::span<const std::string_view> enum_names(BoxFormat) {
  static constexpr std::array<std::string_view, 2> names = {"corners", "center"};
  return names;
}

struct NonMaxSuppressionAttributes {
  BoxFormat format = BoxFormat::corners;

  static void reflect(auto& field) {
    field("format", &NonMaxSuppressionAttributes::format, "what the four numbers of a box are");
  }
};

// boxes [batch, boxes, 4], scores [batch, classes, boxes], most boxes of a class (i64), threshold
// of the overlap, threshold of the score; the last three have one element and may be absent.
const OpDef& op_non_max_suppression();

}  // namespace strop

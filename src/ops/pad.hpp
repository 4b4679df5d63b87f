// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ir/op_def.hpp"

namespace strop {

enum class PadMode : std::uint8_t { constant, reflect, edge, wrap };

inline std::span<const std::string_view> enum_names(PadMode) {
  static constexpr std::string_view names[] = {"constant", "reflect", "edge", "wrap"};
  return names;
}

struct PadAttributes {
  PadMode mode = PadMode::constant;

  static void reflect(auto& field) {
    field("mode", &PadAttributes::mode,
          "what lies beyond the edge: a constant, x mirrored at its edge element, the edge "
          "element, or x repeated");
  }
};

const OpDef& op_pad();

}  // namespace strop

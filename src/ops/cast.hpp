// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "base/float_types.hpp"
#include "ir/op_def.hpp"

namespace strop {

inline std::span<const std::string_view> enum_names(E8m0Rounding) {
  static constexpr std::array<std::string_view, 3> names = {"up", "down", "nearest"};
  return names;
}

struct CastAttributes {
  DType to = DType::f32;
  bool saturate = true;  // into FP8: beyond the range to the largest finite value
  E8m0Rounding round_mode = E8m0Rounding::up;

  static void reflect(auto& field) {
    field("to", &CastAttributes::to, "element type of the result");
    field("saturate", &CastAttributes::saturate,
          "into FP8: what is out of range becomes the largest finite value, not infinity or NaN");
    field("round_mode", &CastAttributes::round_mode, "into f8e8m0: which power of two");
  }
};

const OpDef& op_cast();

}  // namespace strop

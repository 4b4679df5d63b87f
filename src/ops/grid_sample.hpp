// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class GridSampleMode : std::uint8_t { linear, nearest, cubic };
enum class GridSamplePadding : std::uint8_t { zeros, border, reflection };

inline std::span<const std::string_view> enum_names(GridSampleMode) {
  static constexpr std::array<std::string_view, 3> names = {"linear", "nearest", "cubic"};
  return names;
}
inline std::span<const std::string_view> enum_names(GridSamplePadding) {
  static constexpr std::array<std::string_view, 3> names = {"zeros", "border", "reflection"};
  return names;
}

struct GridSampleAttributes {
  GridSampleMode mode = GridSampleMode::linear;
  GridSamplePadding padding = GridSamplePadding::zeros;
  bool align_corners = false;

  static void reflect(auto& field) {
    field("mode", &GridSampleAttributes::mode, "how values between elements are made");
    field("padding", &GridSampleAttributes::padding,
          "what lies outside of x: zeros, the border, or x reflected at its border");
    field("align_corners", &GridSampleAttributes::align_corners,
          "-1 and 1 are the centres of the outermost elements, not their outer edges");
  }
};

// x [N, C, d1, ..., dr], grid [N, o1, ..., or, r] → y [N, C, o1, ..., or].
const OpDef& op_grid_sample();

}  // namespace strop

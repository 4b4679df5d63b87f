// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class RoiAlignMode : std::uint8_t { avg, max };
enum class RoiAlignCoordinates : std::uint8_t { half_pixel, output_half_pixel };

inline std::span<const std::string_view> enum_names(RoiAlignMode) {
  static constexpr std::array<std::string_view, 2> names = {"avg", "max"};
  return names;
}
inline std::span<const std::string_view> enum_names(RoiAlignCoordinates) {
  static constexpr std::array<std::string_view, 2> names = {"half_pixel", "output_half_pixel"};
  return names;
}

struct RoiAlignAttributes {
  RoiAlignMode mode = RoiAlignMode::avg;
  RoiAlignCoordinates coordinates = RoiAlignCoordinates::half_pixel;
  std::int64_t height = 1, width = 1;
  std::int64_t sampling_ratio = 0;
  float spatial_scale = 1;

  static void reflect(auto& field) {
    field("mode", &RoiAlignAttributes::mode, "what becomes of the samples of a bin");
    field(
        "coordinates", &RoiAlignAttributes::coordinates,
        "half_pixel: regions are shifted by half an element; output_half_pixel: they are not, and "
        "are at least one element");
    field("height", &RoiAlignAttributes::height, "bins of a region from top to bottom");
    field("width", &RoiAlignAttributes::width, "bins of a region from left to right");
    field("sampling_ratio", &RoiAlignAttributes::sampling_ratio,
          "samples of a bin along each axis; 0: one per element, rounded up");
    field("spatial_scale", &RoiAlignAttributes::spatial_scale,
          "from coordinates of regions to indices of x");
  }
};

// x [N, C, H, W], rois [R, 4] of (x1, y1, x2, y2), images [R] → y [R, C, height, width].
const OpDef& op_roi_align();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ir/op_def.hpp"

namespace strop {

enum class ResizeMode : std::uint8_t { nearest, linear, cubic };
enum class ResizeCoordinates : std::uint8_t {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_half_pixel_for_nn,
  tf_crop_and_resize,
};
enum class ResizeNearest : std::uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };
enum class ResizeAspect : std::uint8_t { stretch, not_larger, not_smaller };

inline std::span<const std::string_view> enum_names(ResizeMode) {
  static constexpr std::string_view names[] = {"nearest", "linear", "cubic"};
  return names;
}
inline std::span<const std::string_view> enum_names(ResizeCoordinates) {
  static constexpr std::string_view names[] = {
      "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
      "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
  return names;
}
inline std::span<const std::string_view> enum_names(ResizeNearest) {
  static constexpr std::string_view names[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                               "ceil"};
  return names;
}
inline std::span<const std::string_view> enum_names(ResizeAspect) {
  static constexpr std::string_view names[] = {"stretch", "not_larger", "not_smaller"};
  return names;
}

struct ResizeAttributes {
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  ResizeNearest nearest = ResizeNearest::round_prefer_floor;
  ResizeAspect aspect = ResizeAspect::stretch;
  float cubic_coefficient = -0.75f;
  float extrapolation_value = 0;
  bool antialias = false;
  bool exclude_outside = false;
  std::vector<std::int64_t> axes{};  // empty: all of x

  static void reflect(auto& field) {
    field("mode", &ResizeAttributes::mode, "how values between elements are made");
    field("coordinates", &ResizeAttributes::coordinates,
          "ONNX's coordinate_transformation_mode: where in x an index of y lies");
    field("nearest", &ResizeAttributes::nearest, "mode nearest: how a coordinate is rounded");
    field("aspect", &ResizeAttributes::aspect,
          "with sizes: reach them, or keep the aspect ratio and stay within or cover them");
    field("cubic_coefficient", &ResizeAttributes::cubic_coefficient, "mode cubic: its a");
    field("extrapolation_value", &ResizeAttributes::extrapolation_value,
          "tf_crop_and_resize: what lies outside of x");
    field("antialias", &ResizeAttributes::antialias,
          "linear and cubic: widen the filter when the result is smaller than x");
    field("exclude_outside", &ResizeAttributes::exclude_outside,
          "weights outside of x become 0 and the others are scaled to sum to 1");
    field("axes", &ResizeAttributes::axes,
          "axes that roi, scales and sizes are about; empty: all of x");
  }
};

const OpDef& op_resize();

}  // namespace strop

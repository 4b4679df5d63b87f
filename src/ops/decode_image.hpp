// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class PixelFormat : std::uint8_t { rgb, bgr, grayscale };

inline std::span<const std::string_view> enum_names(PixelFormat) {
  static constexpr std::array<std::string_view, 3> names = {"rgb", "bgr", "grayscale"};
  return names;
}

struct DecodeImageAttributes {
  PixelFormat format = PixelFormat::rgb;

  static void reflect(auto& field) {
    field("format", &DecodeImageAttributes::format, "what the last axis of y holds");
  }
};

const OpDef& op_decode_image();

}  // namespace strop

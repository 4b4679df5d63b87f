// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "ir/op_def.hpp"

namespace strop {

enum class WindowFunction : std::uint8_t { hann, hamming, blackman };

inline std::span<const std::string_view> enum_names(WindowFunction) {
  static constexpr std::array<std::string_view, 3> names = {"hann", "hamming", "blackman"};
  return names;
}

struct WindowFunctionAttributes {
  WindowFunction function = WindowFunction::hann;
  bool periodic = true;
  DType to = DType::f32;

  static void reflect(auto& field) {
    field("function", &WindowFunctionAttributes::function, "which window");
    field("periodic", &WindowFunctionAttributes::periodic,
          "its period is the size, else one less: both ends are alike");
    field("to", &WindowFunctionAttributes::to, "element type of y");
  }
};

const OpDef& op_window_function();

}  // namespace strop

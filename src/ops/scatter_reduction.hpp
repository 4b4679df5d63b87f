// SPDX-License-Identifier: Apache-2.0
// How scatter_elements and scatter_nd join an update with what is there. Updates of one place count
// in row-major order of the updates, so that the result never depends on threads: without a
// reduction the last one stays. Floats narrower than f32 are joined in float and rounded once,
// integers wrap, bool adds as "or" and multiplies as "and", and NaN wins over every number.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace strop {

enum class ScatterReduction : std::uint8_t { none, add, mul, min, max };

inline std::span<const std::string_view> enum_names(ScatterReduction) {
  static constexpr std::array<std::string_view, 5> names = {"none", "add", "mul", "min", "max"};
  return names;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

enum class PoolFunction : std::uint8_t { max, average, lp };

inline std::span<const std::string_view> enum_names(PoolFunction) {
  static constexpr std::array<std::string_view, 3> names = {"max", "average", "lp"};
  return names;
}

struct PoolAttributes {
  PoolFunction function = PoolFunction::max;
  std::vector<std::int64_t> kernel{};     // per spatial axis
  std::vector<std::int64_t> strides{};    // likewise; empty: ones
  std::vector<std::int64_t> dilations{};  // likewise
  std::vector<std::int64_t> pads{};       // begins, then ends; empty: zeros
  AutoPad auto_pad = AutoPad::explicit_pads;
  bool ceil_mode = false;
  bool count_include_pad = false;  // average: padding counts as elements of value 0
  std::int64_t p = 2;              // lp
  bool column_major = false;       // indices count the spatial axes in reverse order

  WindowSpec window() const { return {strides, dilations, pads, auto_pad, ceil_mode}; }

  static void reflect(auto& field) {
    field("function", &PoolAttributes::function, "what becomes of a window");
    field("kernel", &PoolAttributes::kernel, "size of the window per spatial axis");
    field("strides", &PoolAttributes::strides, "step of the window per spatial axis");
    field("dilations", &PoolAttributes::dilations, "distance of the window's elements");
    field("pads", &PoolAttributes::pads, "padding before each spatial axis, then after each");
    field("auto_pad", &PoolAttributes::auto_pad, "pads derived from the sizes instead of pads");
    field("ceil_mode", &PoolAttributes::ceil_mode, "round the output size up");
    field("count_include_pad", &PoolAttributes::count_include_pad, "average: count padding too");
    field("p", &PoolAttributes::p, "lp: exponent of the norm");
    field("column_major", &PoolAttributes::column_major, "order in which indices count");
  }
};

// x [N, C, spatial...] → y, and for max the indices of the maxima in the flattened x.
const OpDef& op_pool();

}  // namespace strop

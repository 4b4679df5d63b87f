// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

struct ConvAttributes {
  std::vector<std::int64_t> strides{};    // per spatial axis; empty: ones
  std::vector<std::int64_t> dilations{};  // likewise
  std::vector<std::int64_t> pads{};       // begins, then ends; empty: zeros
  AutoPad auto_pad = AutoPad::explicit_pads;
  std::int64_t group = 1;

  WindowSpec window() const { return {strides, dilations, pads, auto_pad}; }

  static void reflect(auto& field) {
    field("strides", &ConvAttributes::strides, "step of the window per spatial axis");
    field("dilations", &ConvAttributes::dilations, "distance of the window's taps");
    field("pads", &ConvAttributes::pads, "zeros before each spatial axis, then after each");
    field("auto_pad", &ConvAttributes::auto_pad, "pads derived from the sizes instead of pads");
    field("group", &ConvAttributes::group, "channels are split into this many groups");
  }
};

// x [N, C, spatial...], w [M, C / group, kernel...], bias [M] → y [N, M, spatial...].
const OpDef& op_conv();

}  // namespace strop

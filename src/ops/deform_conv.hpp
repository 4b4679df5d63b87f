// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

struct DeformConvAttributes {
  std::vector<std::int64_t> strides{};    // per spatial axis; empty: ones
  std::vector<std::int64_t> dilations{};  // likewise
  std::vector<std::int64_t> pads{};       // begins, then ends; empty: zeros
  std::int64_t group = 1;
  std::int64_t offset_group = 1;

  WindowSpec window() const { return {strides, dilations, pads}; }

  static void reflect(auto& field) {
    field("strides", &DeformConvAttributes::strides, "step of the window per spatial axis");
    field("dilations", &DeformConvAttributes::dilations, "distance of the window's elements");
    field("pads", &DeformConvAttributes::pads, "padding before each spatial axis, then after each");
    field("group", &DeformConvAttributes::group, "groups of channels that are convolved apart");
    field("offset_group", &DeformConvAttributes::offset_group,
          "groups of input channels with offsets of their own");
  }
};

// x [N, C, spatial...], w [M, C / group, kernel...], offset [N, offset_group * taps * axes,
// out...], bias [M] (optional), mask [N, offset_group * taps, out...] (optional) → y [N, M,
// out...].
const OpDef& op_deform_conv();

}  // namespace strop

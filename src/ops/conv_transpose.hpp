// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

struct ConvTransposeAttributes {
  std::vector<std::int64_t> strides{};         // per spatial axis; empty: ones
  std::vector<std::int64_t> dilations{};       // likewise
  std::vector<std::int64_t> pads{};            // cut off: begins, then ends; empty: zeros
  std::vector<std::int64_t> output_padding{};  // added at the end; empty: zeros
  std::vector<std::int64_t> output_shape{};    // spatial sizes instead of pads; empty: none
  AutoPad auto_pad = AutoPad::explicit_pads;
  std::int64_t group = 1;

  static void reflect(auto& field) {
    field("strides", &ConvTransposeAttributes::strides, "step of the window in the output");
    field("dilations", &ConvTransposeAttributes::dilations, "distance of the window's taps");
    field("pads", &ConvTransposeAttributes::pads, "cut off before each spatial axis, then after");
    field("output_padding", &ConvTransposeAttributes::output_padding, "added after each axis");
    field("output_shape", &ConvTransposeAttributes::output_shape, "spatial sizes instead of pads");
    field("auto_pad", &ConvTransposeAttributes::auto_pad, "sizes of input times stride");
    field("group", &ConvTransposeAttributes::group, "channels are split into this many groups");
  }
};

// x [N, C, spatial...], w [C, M / group, kernel...], bias [M] → y [N, M, spatial...].
const OpDef& op_conv_transpose();

}  // namespace strop

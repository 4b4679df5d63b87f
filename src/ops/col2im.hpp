// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

struct Col2imAttributes {
  std::vector<std::int64_t> strides{};    // per spatial axis; empty: ones
  std::vector<std::int64_t> dilations{};  // likewise
  std::vector<std::int64_t> pads{};       // begins, then ends; empty: zeros

  WindowSpec window() const { return {strides, dilations, pads}; }

  static void reflect(auto& field) {
    field("strides", &Col2imAttributes::strides, "step of the blocks per spatial axis");
    field("dilations", &Col2imAttributes::dilations, "distance of a block's elements");
    field("pads", &Col2imAttributes::pads, "padding before each spatial axis, then after each");
  }
};

// columns [N, C * product(block), L], image (i64 vector), block (i64 vector) → y [N, C, image...].
const OpDef& op_col2im();

}  // namespace strop

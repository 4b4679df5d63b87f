// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/window.hpp"

namespace strop {

struct MaxUnpoolAttributes {
  std::vector<std::int64_t> kernel{};   // per spatial axis
  std::vector<std::int64_t> strides{};  // likewise; empty: ones
  std::vector<std::int64_t> pads{};     // begins, then ends; empty: zeros

  static void reflect(auto& field) {
    field("kernel", &MaxUnpoolAttributes::kernel, "size of the pooling's window per spatial axis");
    field("strides", &MaxUnpoolAttributes::strides, "step of that window per spatial axis");
    field("pads", &MaxUnpoolAttributes::pads,
          "that pooling's padding before each spatial axis, then after each");
  }
};

// x [N, C, spatial...], indices (like x), shape (i64 vector, optional) → y.
const OpDef& op_max_unpool();

}  // namespace strop

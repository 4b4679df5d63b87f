// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "ir/op_def.hpp"

namespace strop {

struct ShapeAttributes {
  std::int64_t start = 0;
  std::optional<std::int64_t> end{};

  static void reflect(auto& field) {
    field("start", &ShapeAttributes::start, "first axis, negative from the end; clamped");
    field("end", &ShapeAttributes::end, "axis after the last; none: all to the end");
  }
};

const OpDef& op_shape();

}  // namespace strop

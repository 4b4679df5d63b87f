// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "ir/op_def.hpp"

namespace strop {

struct ReshapeAttributes {
  bool allow_zero = false;  // a 0 in `shape` is a size of 0, not a copy of the input's
  std::optional<std::int64_t>
      flatten_axis{};  // instead of input `shape`: to 2-D, split before this axis

  static void reflect(auto& field) {
    field("allow_zero", &ReshapeAttributes::allow_zero,
          "a 0 in shape means size 0 instead of the input's dimension");
    field("flatten_axis", &ReshapeAttributes::flatten_axis,
          "without shape: flatten to 2-D, split before this axis");
  }
};

const OpDef& op_reshape();

}  // namespace strop

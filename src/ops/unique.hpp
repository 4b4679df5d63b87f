// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "ir/op_def.hpp"

namespace strop {

struct UniqueAttributes {
  std::optional<std::int64_t> axis{};
  bool sorted = true;

  static void reflect(auto& field) {
    field("axis", &UniqueAttributes::axis,
          "axis whose slices are compared; without one, all elements in row-major order");
    field("sorted", &UniqueAttributes::sorted, "in ascending order; else as they first occur");
  }
};

// x; y, first (index in x of each slice of y), inverse (index in y of each slice of x), counts.
const OpDef& op_unique();

}  // namespace strop

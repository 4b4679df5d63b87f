// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ir/op_def.hpp"

namespace strop {

struct TopKAttributes {
  std::int64_t axis = -1;
  bool largest = true;
  bool sorted = true;

  static void reflect(auto& field) {
    field("axis", &TopKAttributes::axis, "axis to select along");
    field("largest", &TopKAttributes::largest, "the largest elements, else the smallest");
    field("sorted", &TopKAttributes::sorted,
          "in order; else a backend may return them in any order");
  }
};

// x, k (i64, one element); values, indices (i64).
const OpDef& op_top_k();

}  // namespace strop

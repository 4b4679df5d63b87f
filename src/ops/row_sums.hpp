// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct RowSumsAttributes {
  std::int64_t block = 64;

  static void reflect(auto& field) {
    field("block", &RowSumsAttributes::block, "neighbours that are summed together, above 0");
  }
};

// x [..., N] → f32 [..., ceil(N / block), 2]: of each block the sum and the sum of squares.
const OpDef& op_row_sums();

}  // namespace strop

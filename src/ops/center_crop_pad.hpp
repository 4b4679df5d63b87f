// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "ir/op_def.hpp"

namespace strop {

struct CenterCropPadAttributes {
  std::vector<std::int64_t> axes{};  // that `sizes` is about; empty: all of x

  static void reflect(auto& field) {
    field("axes", &CenterCropPadAttributes::axes, "axes that sizes are about; empty: all of x");
  }
};

// x, sizes (i32 or i64 vector) → y.
const OpDef& op_center_crop_pad();

}  // namespace strop

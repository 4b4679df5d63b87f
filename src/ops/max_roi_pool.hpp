// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct MaxRoiPoolAttributes {
  std::int64_t height = 1, width = 1;
  float spatial_scale = 1;

  static void reflect(auto& field) {
    field("height", &MaxRoiPoolAttributes::height, "bins of a region from top to bottom");
    field("width", &MaxRoiPoolAttributes::width, "bins of a region from left to right");
    field("spatial_scale", &MaxRoiPoolAttributes::spatial_scale,
          "from coordinates of regions to indices of x");
  }
};

// x [N, C, H, W], rois [R, 5] of (image, x1, y1, x2, y2) → y [R, C, height, width].
const OpDef& op_max_roi_pool();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Where the elements of a resized axis come from, as ONNX Resize says. Coordinates are computed in
// float: which neighbour is nearest depends on it, and other implementations of the operator do so.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/resize.hpp"

namespace strop {

struct ResizedAxis {
  std::int64_t input = 0, output = 0;  // sizes
  float scale = 1;
  float roi_start = 0, roi_end = 1;  // of tf_crop_and_resize, 1 being the whole axis
};

// Source index for each index of the result; -1: outside of x (tf_crop_and_resize).
std::vector<std::int64_t> nearest_indices(const ResizeAttributes& attributes,
                                          const ResizedAxis& axis);

// A row of weights for each index of the result; they sum to 1.
struct AxisFilter {
  std::int64_t taps = 0;
  std::vector<std::int64_t> indices;  // [output, taps], clamped into the axis
  std::vector<float> weights;         // [output, taps]
  std::vector<bool> outside;          // [output]: the extrapolation value instead
};
AxisFilter interpolation_filter(const ResizeAttributes& attributes, const ResizedAxis& axis);

}  // namespace strop

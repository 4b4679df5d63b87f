// SPDX-License-Identifier: Apache-2.0
#include "ops/resize_filter_support.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace strop {
namespace {

float source_coordinate(ResizeCoordinates mode, const ResizedAxis& axis, std::int64_t index) {
  const auto x = static_cast<float>(index);
  const auto last = static_cast<float>(axis.input - 1);
  // The length before it was rounded down to a whole number.
  const float length = axis.scale * static_cast<float>(axis.input);
  const float half_pixel = (x + 0.5f) / axis.scale - 0.5f;
  switch (mode) {
    case ResizeCoordinates::half_pixel:
      return half_pixel;
    case ResizeCoordinates::half_pixel_symmetric: {
      // Keeps the centre of x at the centre of the result.
      const float adjustment = static_cast<float>(axis.output) / length;
      return static_cast<float>(axis.input) / 2 * (1 - adjustment) + half_pixel;
    }
    case ResizeCoordinates::pytorch_half_pixel:
      return length > 1 ? half_pixel : 0;
    case ResizeCoordinates::align_corners:
      return axis.output == 1 || length == 1 ? 0 : x * last / (length - 1);
    case ResizeCoordinates::asymmetric:
      return x / axis.scale;
    case ResizeCoordinates::tf_half_pixel_for_nn:
      return (x + 0.5f) / axis.scale;
    case ResizeCoordinates::tf_crop_and_resize: {
      if (axis.output == 1) return 0.5f * (axis.roi_start + axis.roi_end) * last;
      const auto steps = static_cast<float>(axis.output - 1);
      return axis.roi_start * last + x * (axis.roi_end - axis.roi_start) * last / steps;
    }
  }
  return 0;
}

bool is_outside(const ResizeAttributes& attributes, const ResizedAxis& axis, float coordinate) {
  return attributes.coordinates == ResizeCoordinates::tf_crop_and_resize &&
         !(coordinate >= 0 && coordinate <= static_cast<float>(axis.input - 1));
}

// A whole number within the axis or just beyond it, so that the conversion is defined.
std::int64_t whole(float coordinate, const ResizedAxis& axis) {
  const auto limit = static_cast<float>(axis.input) + 4;
  return static_cast<std::int64_t>(std::clamp(coordinate, -4.0f, limit));
}

float filter_value(const ResizeAttributes& attributes, float distance) {
  const float x = std::abs(distance);
  if (attributes.mode == ResizeMode::linear) return std::max(0.0f, 1 - x);
  const float a = attributes.cubic_coefficient;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

}  // namespace

std::vector<std::int64_t> nearest_indices(const ResizeAttributes& attributes,
                                          const ResizedAxis& axis) {
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(axis.output));
  for (std::int64_t i = 0; i < axis.output; ++i) {
    const float x = source_coordinate(attributes.coordinates, axis, i);
    if (is_outside(attributes, axis, x)) {
      out.push_back(-1);
      continue;
    }
    float rounded = 0;
    switch (attributes.nearest) {
      case ResizeNearest::round_prefer_floor:
        rounded = std::ceil(x - 0.5f);
        break;
      case ResizeNearest::round_prefer_ceil:
        rounded = std::floor(x + 0.5f);
        break;
      case ResizeNearest::floor:
        rounded = std::floor(x);
        break;
      case ResizeNearest::ceil:
        rounded = std::ceil(x);
        break;
    }
    out.push_back(std::clamp<std::int64_t>(whole(rounded, axis), 0, axis.input - 1));
  }
  return out;
}

AxisFilter interpolation_filter(const ResizeAttributes& attributes, const ResizedAxis& axis) {
  const bool widened = attributes.antialias && axis.scale < 1;
  const float stretch = widened ? axis.scale : 1;
  const float radius = attributes.mode == ResizeMode::linear ? 1 : 2;
  const auto first = static_cast<std::int64_t>(std::floor(-radius / stretch)) + 1;
  AxisFilter out;
  out.taps = 2 - 2 * first;
  const auto count = static_cast<std::size_t>(axis.output * out.taps);
  out.indices.reserve(count);
  out.weights.reserve(count);
  for (std::int64_t i = 0; i < axis.output; ++i) {
    float x = source_coordinate(attributes.coordinates, axis, i);
    out.outside.push_back(is_outside(attributes, axis, x));
    if (out.outside.back()) x = 0;  // its weights are not used, and it may not be a number
    // The window lies around (base, base + 1]: a whole coordinate has its own element on the right.
    const std::int64_t base = whole(std::ceil(x), axis) - 1;
    float sum = 0;
    for (std::int64_t tap = 0; tap < out.taps; ++tap) {
      const std::int64_t index = base + first + tap;
      float weight = filter_value(attributes, (static_cast<float>(index) - x) * stretch);
      if (attributes.exclude_outside && (index < 0 || index >= axis.input)) weight = 0;
      out.indices.push_back(std::clamp<std::int64_t>(index, 0, axis.input - 1));
      out.weights.push_back(weight);
      sum += weight;
    }
    if ((widened || attributes.exclude_outside) && sum != 0) {
      for (auto w = out.weights.end() - out.taps; w != out.weights.end(); ++w) *w /= sum;
    }
  }
  return out;
}

}  // namespace strop

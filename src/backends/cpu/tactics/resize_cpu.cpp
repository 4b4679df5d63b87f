// SPDX-License-Identifier: Apache-2.0
// Resize of two spatial axes, channels innermost: nearest for elements of any whole bytes, linear
// for f32. An axis whose size is not known may become a whole multiple of itself, each element
// repeated.
#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cpu/parameters.hpp"
#include "ops/resize_filter_support.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_resize_cpu();
namespace {

constexpr std::int64_t kMostRepeats = 16;
constexpr std::int64_t kTriedIndices = 1 << 18;  // longer axes are not told apart from these

struct SpatialAxis {
  ResizedAxis resized;
  std::int64_t repeat = 0;  // where sizes are not known: how often each element; else 0
};

// Whether index i of the result is element i / repeat, whatever the size.
bool repeats_elements(const ResizeAttributes& resize, std::int64_t repeat) {
  if (resize.coordinates != ResizeCoordinates::asymmetric &&
      resize.coordinates != ResizeCoordinates::half_pixel)
    return false;  // their coordinates depend on the size
  const ResizedAxis axis{.input = kTriedIndices / repeat,
                         .output = kTriedIndices / repeat * repeat,
                         .scale = static_cast<float>(repeat)};
  const std::vector<std::int64_t> indices = nearest_indices(resize, axis);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] != static_cast<std::int64_t>(i) / repeat) return false;
  }
  return true;
}

std::optional<SpatialAxis> repeated_axis(const ResizeAttributes& resize, const Dim& from,
                                         const Dim& to, float scale) {
  if (resize.mode != ResizeMode::nearest) return std::nullopt;
  for (std::int64_t repeat = 1; repeat <= kMostRepeats; ++repeat) {
    if (scale != 0 && scale != static_cast<float>(repeat)) continue;
    if (to == from * Dim(repeat) && repeats_elements(resize, repeat))
      return SpatialAxis{.resized = {}, .repeat = repeat};
  }
  return std::nullopt;
}

// The two spatial axes; nothing when another one changes, or something is not known.
std::optional<std::vector<SpatialAxis>> spatial_axes(const Problem& problem) {
  const auto& resize = problem.attributes<ResizeAttributes>();
  const Type &x = problem.input_type(0), &y = problem.output_type(0);
  std::vector<float> scales(4, 0);  // 0: what the sizes say
  if (problem.has_input(2)) {
    const Tensor* given = problem.constant(2);
    if (given == nullptr || given->dtype() != DType::f32) return std::nullopt;
    if (given->size() > 0) {
      std::vector<std::int64_t> axes = resize.axes;
      if (axes.empty()) axes = {0, 1, 2, 3};
      if (static_cast<std::int64_t>(axes.size()) != given->size()) return std::nullopt;
      for (std::size_t i = 0; i < axes.size(); ++i)
        scales[static_cast<std::size_t>(normalize_axis(axes[i], 4))] = given->values<float>()[i];
    }
  }
  std::vector<SpatialAxis> out;
  for (std::size_t i = 0; i < 4; ++i) {
    const Dim &from = (*x.shape)[i], &to = (*y.shape)[i];
    if (i < 2) {
      if (from != to || (scales[i] != 0 && scales[i] != 1)) return std::nullopt;
      continue;
    }
    if (!from.is_constant() || !to.is_constant()) {
      const auto repeated = repeated_axis(resize, from, to, scales[i]);
      if (!repeated) return std::nullopt;
      out.push_back(*repeated);
      continue;
    }
    if (from.value() == 0 || to.value() == 0) return std::nullopt;
    ResizedAxis axis{.input = from.value(), .output = to.value()};
    axis.scale = scales[i] != 0 ? scales[i]
                                : static_cast<float>(axis.output) / static_cast<float>(axis.input);
    out.push_back({.resized = axis});
  }
  return out;
}

Acceptance accepts(const Problem& problem) {
  const auto& resize = problem.attributes<ResizeAttributes>();
  const Type& x = problem.input_type(0);
  if (x.rank() != 4 || !problem.output_type(0).shape)
    return Acceptance::refuse("it takes two spatial axes");
  if (x.dtype == DType::string || bits_of(x.dtype) < 8)
    return Acceptance::refuse("its elements are not whole bytes");
  if (resize.mode == ResizeMode::cubic || resize.antialias ||
      resize.coordinates == ResizeCoordinates::tf_crop_and_resize ||
      resize.aspect != ResizeAspect::stretch) {
    return Acceptance::refuse("it takes nearest and linear without antialiasing and cropping");
  }
  if (resize.mode == ResizeMode::linear && x.dtype != DType::f32)
    return Acceptance::refuse("linear takes f32");
  const auto axes = spatial_axes(problem);
  if (!axes) return Acceptance::refuse("its sizes or scales are not known");
  if (resize.mode == ResizeMode::linear) {
    for (const SpatialAxis& axis : *axes) {
      if (interpolation_filter(resize, axis.resized).taps > 2)
        return Acceptance::refuse("its filter is wider than two elements");
    }
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem&, std::string_view) {
  return {{{Layout::channels_last}, {Layout::channels_last}}};
}

void set_linear(const AxisFilter& filter, const std::string& one, const std::string& all,
                Parameters& parameters) {
  std::vector<std::int64_t> first, second, weights;
  for (std::size_t i = 0; i < filter.indices.size(); i += static_cast<std::size_t>(filter.taps)) {
    const std::size_t other = filter.taps == 2 ? i + 1 : i;
    first.push_back(filter.indices[i]);
    second.push_back(filter.indices[other]);
    weights.push_back(filter.taps == 2 ? std::bit_cast<std::uint32_t>(filter.weights[other]) : 0);
  }
  parameters.set(all, first);
  parameters.set(all + "_1", second);
  parameters.set(one + "_weights", weights);
}

void set_nearest(const ResizeAttributes& resize, const SpatialAxis& axis, const std::string& key,
                 Parameters& parameters) {
  if (axis.repeat != 0) {
    parameters.set("repeat_" + key, axis.repeat);
  } else {
    parameters.set(key, nearest_indices(resize, axis.resized));
  }
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& resize = problem.attributes<ResizeAttributes>();
  const auto axes = *spatial_axes(problem);
  Parameters parameters;
  if (resize.mode == ResizeMode::nearest) {
    set_nearest(resize, axes[0], "rows", parameters);
    set_nearest(resize, axes[1], "columns", parameters);
  } else {
    set_linear(interpolation_filter(resize, axes[0].resized), "row", "rows", parameters);
    set_linear(interpolation_filter(resize, axes[1].resized), "column", "columns", parameters);
  }
  return {"resize", parameters.text()};
}

}  // namespace

const Tactic& tactic_resize_cpu() {
  static const Tactic tactic{.name = "resize_cpu",
                             .backend = "cpu",
                             .ops = {op_resize},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Sliding windows of convolution and pooling: checks of their attributes, output sizes (symbolic
// too), and the resolved numbers of each spatial axis. Formulas: ONNX Conv, MaxPool, AveragePool.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "ir/infer.hpp"

namespace strop {

enum class AutoPad : std::uint8_t { explicit_pads, same_upper, same_lower, valid };

inline std::span<const std::string_view> enum_names(AutoPad) {
  static constexpr std::array<std::string_view, 4> names = {"explicit_pads", "same_upper",
                                                            "same_lower", "valid"};
  return names;
}

// Attributes of a window over some spatial axes; empty lists mean ones (pads: zeros).
struct WindowSpec {
  const std::vector<std::int64_t>& strides;
  const std::vector<std::int64_t>& dilations;
  const std::vector<std::int64_t>& pads;  // all begins, then all ends
  AutoPad auto_pad = AutoPad::explicit_pads;
  bool ceil_mode = false;
};

// One spatial axis with numbers. Output position o reads input o * stride + k * dilation - begin
// for k in [0, kernel).
struct WindowAxis {
  std::int64_t input = 1, output = 1, kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;

  // Taps [first, last) that output position o finds inside [lowest, highest) of the input.
  std::pair<std::int64_t, std::int64_t> taps(std::int64_t o, std::int64_t lowest,
                                             std::int64_t highest) const {
    const std::int64_t start = o * stride - begin;
    const auto at_or_after = [&](std::int64_t bound) {  // first k with start + k*dilation >= bound
      return start >= bound ? 0 : (bound - start + dilation - 1) / dilation;
    };
    const std::int64_t first = std::min(kernel, at_or_after(lowest));
    return {first, std::max(first, std::min(kernel, at_or_after(highest)))};
  }
};

// No kernel, stride, dilation or pad beyond this makes sense, and below it no arithmetic on them
// overflows.
inline constexpr std::int64_t kMaxWindow = std::int64_t{1} << 30;

inline std::int64_t at_or(const std::vector<std::int64_t>& values, std::size_t i,
                          std::int64_t otherwise) {
  return i < values.size() ? values[i] : otherwise;
}

// Throws bad_attribute unless the lists have a value per spatial axis (or none) and make sense.
inline void check_window(const InferContext& context, const WindowSpec& window, std::size_t axes) {
  const auto check = [&](const std::vector<std::int64_t>& values, std::size_t count,
                         std::int64_t lowest, const char* name) {
    context.require(values.empty() || values.size() == count, ErrorCode::bad_attribute,
                    std::string(name) + " has " + std::to_string(values.size()) + " values, not " +
                        std::to_string(count));
    for (std::int64_t value : values) {
      context.require(value >= lowest && value <= kMaxWindow, ErrorCode::bad_attribute,
                      std::string(name) + " has the value " + std::to_string(value) +
                          "; it must be from " + std::to_string(lowest) + " to " +
                          std::to_string(kMaxWindow));
    }
  };
  check(window.strides, axes, 1, "strides");
  check(window.dilations, axes, 1, "dilations");
  check(window.pads, 2 * axes, 0, "pads");
}

// From the first tap to the last, both included.
inline std::int64_t window_extent(const WindowSpec& window, std::size_t i, std::int64_t kernel) {
  return (kernel - 1) * at_or(window.dilations, i, 1) + 1;
}

// Output size along spatial axis i of `axes`. Fails when the window does not fit the padded input.
inline Dim window_output(const InferContext& context, const WindowSpec& window, std::size_t i,
                         std::size_t axes, const Dim& input, std::int64_t kernel) {
  context.require(kernel >= 1 && kernel <= kMaxWindow, ErrorCode::bad_shape,
                  "a window of size " + std::to_string(kernel));
  const std::int64_t stride = at_or(window.strides, i, 1);
  if (window.auto_pad == AutoPad::same_upper || window.auto_pad == AutoPad::same_lower) {
    return ceildiv(input, Dim(stride));
  }
  const bool explicit_pads = window.auto_pad == AutoPad::explicit_pads;
  const std::int64_t begin = explicit_pads ? at_or(window.pads, i, 0) : 0;
  const std::int64_t end = explicit_pads ? at_or(window.pads, i + axes, 0) : 0;
  const std::int64_t extent = window_extent(window, i, kernel);
  const Dim room = input + Dim(begin + end - extent);
  if (room.is_constant() && room.value() < 0) {
    context.fail(ErrorCode::bad_shape,
                 "on spatial axis " + std::to_string(i) + " a window of " + std::to_string(extent) +
                     " (kernel and dilation) is larger than the padded input of " +
                     (input + Dim(begin + end)).to_string());
  }
  if (!window.ceil_mode) return floordiv(room, Dim(stride)) + Dim(1);
  // The last window must start inside the input or the padding at its beginning.
  return min(ceildiv(room, Dim(stride)) + Dim(1), ceildiv(input + Dim(begin), Dim(stride)));
}

// The axes with all numbers, once input and output sizes are known.
inline std::vector<WindowAxis> resolve_window(const WindowSpec& window,
                                              std::span<const std::int64_t> input,
                                              std::span<const std::int64_t> output,
                                              std::span<const std::int64_t> kernel) {
  std::vector<WindowAxis> axes(input.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    WindowAxis& axis = axes[i];
    axis.input = input[i];
    axis.output = output[i];
    axis.kernel = kernel[i];
    axis.stride = at_or(window.strides, i, 1);
    axis.dilation = at_or(window.dilations, i, 1);
    if (window.auto_pad == AutoPad::explicit_pads) {
      axis.begin = at_or(window.pads, i, 0);
      axis.end = at_or(window.pads, i + axes.size(), 0);
    } else if (window.auto_pad != AutoPad::valid) {
      const std::int64_t total = std::max<std::int64_t>(
          0, (axis.output - 1) * axis.stride + window_extent(window, i, axis.kernel) - axis.input);
      axis.begin = (total + (window.auto_pad == AutoPad::same_lower ? 1 : 0)) / 2;
      axis.end = total - axis.begin;
    }
  }
  return axes;
}

}  // namespace strop

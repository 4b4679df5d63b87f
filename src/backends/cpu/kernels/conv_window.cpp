// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/conv_window.hpp"

#include <algorithm>

namespace strop::cpu {
namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 30;  // products of two stay in range

// Padding before the first element, for an axis of `size` that becomes `out`.
std::int64_t padding_before(const std::string& auto_pad, std::int64_t given_before,
                            std::int64_t given_after, std::int64_t size, std::int64_t out,
                            std::int64_t reach, std::int64_t stride, const char* kernel) {
  require(out <= kMost && size <= kMost, kernel, "an axis is too long");
  const std::int64_t total = (out - 1) * stride + reach - size;
  if (auto_pad == "explicit_pads") {
    require(total <= given_before + given_after, kernel, "its output is too large");
    return given_before;
  }
  require(total <= reach, kernel, "its output is too large");
  if (auto_pad == "same_upper") return std::max<std::int64_t>(total, 0) / 2;
  if (auto_pad == "same_lower") return (std::max<std::int64_t>(total, 0) + 1) / 2;
  require(auto_pad == "valid" && total <= 0, kernel, "its padding is not known");
  return 0;
}

}  // namespace

ConvWindow ConvWindow::read(const KernelInit& init, const char* kernel) {
  ConvWindow window;
  const Parameters& parameters = init.parameters;
  const Shape inputs = parameters.integers("inputs");
  require(inputs.size() == 3, kernel, "its list of inputs does not fit");
  const auto input_at = [&](std::int64_t index) {
    require(index >= 0 && static_cast<std::size_t>(index) < init.inputs.size(), kernel,
            "it names an input that is not there");
    return static_cast<std::size_t>(index);
  };
  window.x = input_at(inputs[0]);
  window.w = input_at(inputs[1]);
  window.has_bias = inputs[2] >= 0;
  if (window.has_bias) window.bias = input_at(inputs[2]);
  window.auto_pad = parameters.string("auto_pad");
  window.group = parameters.integer("group");
  const Shape strides = parameters.integers("strides");
  const Shape dilations = parameters.integers("dilations");
  const Shape pads = parameters.integers("pads");
  window.spatial = strides.size();
  const auto within = [&](const Shape& values, std::size_t count, std::int64_t lowest) {
    require(
        values.size() == count &&
            std::ranges::all_of(
                values, [lowest](std::int64_t value) { return value >= lowest && value <= kMost; }),
        kernel, "strides, dilations or pads do not fit");
  };
  require(window.spatial == 1 || window.spatial == 2, kernel, "it has one or two spatial axes");
  require(window.group >= 1 && window.group <= kMost, kernel, "group does not fit");
  within(strides, window.spatial, 1);
  within(dilations, window.spatial, 1);
  within(pads, 2 * window.spatial, 0);
  window.stride_w = strides.back();
  window.dilation_w = dilations.back();
  window.given_left_ = pads[window.spatial - 1];
  window.given_right_ = pads[2 * window.spatial - 1];
  if (window.spatial == 2) {
    window.stride_h = strides[0];
    window.dilation_h = dilations[0];
    window.given_top_ = pads[0];
    window.given_bottom_ = pads[2];
  }
  return window;
}

void ConvWindow::set_weights(const Shape& shape, const char* kernel) {
  require(shape.size() == 2 + spatial, kernel, "its weights do not fit");
  for (const std::int64_t size : shape)
    require(size >= 1 && size <= kMost, kernel, "its weights are empty or too large");
  require(shape[0] % group == 0, kernel, "its channels do not divide into groups");
  out_channels = shape[0];
  channels = shape[1] * group;
  require(channels <= kMost, kernel, "it has too many channels");
  kernel_w = shape.back();
  kernel_h = spatial == 2 ? shape[2] : 1;
}

void ConvWindow::prepare(std::span<const View> inputs, std::span<const View> outputs,
                         const char* kernel) {
  require(outputs.size() == 1, kernel, "it has one output");
  const auto& from = inputs[x].dims;
  const auto& to = outputs[0].dims;
  const std::size_t rank = spatial + 2;
  require(from.size() == rank && to.size() == rank && from[0] == to[0] && from.back() == channels &&
              to.back() == out_channels,
          kernel, "its shapes do not fit");
  batch = from[0];
  height = spatial == 2 ? from[1] : 1;
  width = from[rank - 2];
  out_height = spatial == 2 ? to[1] : 1;
  out_width = to[rank - 2];
  const std::int64_t reach_h = (kernel_h - 1) * dilation_h + 1;
  const std::int64_t reach_w = (kernel_w - 1) * dilation_w + 1;
  pad_top = spatial == 1 ? 0
                         : padding_before(auto_pad, given_top_, given_bottom_, height, out_height,
                                          reach_h, stride_h, kernel);
  pad_left = padding_before(auto_pad, given_left_, given_right_, width, out_width, reach_w,
                            stride_w, kernel);
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// The window of a convolution over tensors with channels innermost, as its kernels read it from
// parameters and shapes. A 1-D convolution is a 2-D one of height 1.
//
// Parameters: inputs (x, w, bias or -1), strides, dilations, pads (begins, then ends), auto_pad,
// group; one or two spatial axes.
#pragma once

#include <span>
#include <string>

#include "backends/cpu/kernels/kernel.hpp"

namespace strop::cpu {

struct ConvWindow {
  std::size_t x = 0, w = 0, bias = 0;  // inputs of the kernel
  bool has_bias = false;
  std::size_t spatial = 2;  // axes of the operands
  std::string auto_pad;

  std::int64_t group = 1;
  std::int64_t kernel_h = 1, kernel_w = 1;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1;
  std::int64_t pad_top = 0, pad_left = 0;  // resolved by prepare
  std::int64_t batch = 0, height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0, out_channels = 0;

  // From an engine file: Error(engine_invalid) for what cannot be.
  static ConvWindow read(const KernelInit& init, const char* kernel);
  // `shape` is [M, C/group, kernel...].
  void set_weights(const Shape& shape, const char* kernel);
  void prepare(std::span<const View> inputs, std::span<const View> outputs, const char* kernel);

  std::int64_t out_pixels() const { return batch * out_height * out_width; }
  // Columns that the windows of a line cover, its padding included.
  std::int64_t padded_width() const {
    return (out_width - 1) * stride_w + (kernel_w - 1) * dilation_w + 1;
  }

 private:
  std::int64_t given_top_ = 0, given_left_ = 0, given_bottom_ = 0, given_right_ = 0;
};

}  // namespace strop::cpu

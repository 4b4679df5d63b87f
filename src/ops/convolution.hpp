// SPDX-License-Identifier: Apache-2.0
// What conv and conv_integer share: shapes, and the sums. A tile of output positions gathers what
// its windows see into rows (one per input channel and tap), and the weights multiply those rows.
#pragma once

#include "base/parallel.hpp"
#include "ops/chunk.hpp"
#include "ops/conv.hpp"
#include "ops/product.hpp"

namespace strop {

// Checks x (input 0), w (input 1) and the bias, and gives the shape of y; nothing when it is
// entirely unknown.
inline std::optional<SymShape> infer_convolution(InferContext& context, std::size_t bias) {
  const auto& attributes = context.attributes<ConvAttributes>();
  const SymShape* x = context.shape(0);
  const SymShape* w = context.shape(1);
  context.require(attributes.group >= 1, ErrorCode::bad_attribute,
                  "group is " + std::to_string(attributes.group) + "; it must be at least 1");
  const SymShape* known = x != nullptr ? x : w;
  if (known == nullptr) return std::nullopt;
  context.require(known->size() >= 3, ErrorCode::bad_shape,
                  "needs a batch axis, a channel axis and at least one spatial axis");
  const std::size_t axes = known->size() - 2;
  context.require_rank(0, static_cast<std::int64_t>(axes + 2));
  context.require_rank(1, static_cast<std::int64_t>(axes + 2));
  const WindowSpec window = attributes.window();
  check_window(context, window, axes);
  SymShape y = context.fresh_shape(axes + 2);
  if (x != nullptr) y[0] = (*x)[0];
  if (w != nullptr) {
    y[1] = (*w)[0];
    if (y[1].is_constant() && y[1].value() % attributes.group != 0) {
      context.fail(ErrorCode::bad_shape, "group " + std::to_string(attributes.group) +
                                             " does not divide the " + y[1].to_string() +
                                             " output channels");
    }
    if (x != nullptr) {
      context.require_equal((*x)[1], (*w)[1] * Dim(attributes.group),
                            "channels of x, and of w times group");
    }
    if (context.has_input(bias)) {
      context.require_rank(bias, 1);
      if (context.shape(bias) != nullptr) {
        context.require_equal((*context.shape(bias))[0], (*w)[0],
                              "sizes of bias and output channels");
      }
    }
    for (std::size_t i = 0; x != nullptr && i < axes; ++i) {
      const Dim& kernel = (*w)[i + 2];
      if (kernel.is_constant()) {
        y[i + 2] = window_output(context, window, i, axes, (*x)[i + 2], kernel.value());
      }
    }
  }
  return y;
}

inline constexpr std::int64_t kConvPositions = 256;  // output positions of a tile
inline constexpr std::int64_t kConvRows = 256;       // gathered rows at a time
inline constexpr std::int64_t kConvChannels = 64;    // output channels of a task

// rows[r][p] for rows [first_row, first_row + count): what output position first + p sees of input
// channel r / taps at tap r % taps, 0 in the padding.
template <class C>
void gather_windows(const C* x, std::int64_t plane, const std::vector<WindowAxis>& axes,
                    std::int64_t first, std::int64_t positions, std::int64_t first_row,
                    std::int64_t count, C* rows) {
  std::int64_t taps = 1;
  for (const WindowAxis& axis : axes) taps *= axis.kernel;
  std::array<std::int64_t, kConvPositions> offset;  // in the channel's plane; -1: padding
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t channel = (first_row + r) / taps;
    offset.fill(0);
    std::int64_t tap = (first_row + r) % taps;
    std::int64_t stride = 1;  // of the axis in the plane
    std::int64_t below = 1;   // output positions per step of the axis
    for (std::size_t i = axes.size(); i-- > 0;) {
      const WindowAxis& axis = axes[i];
      const std::int64_t shift = tap % axis.kernel * axis.dilation - axis.begin;
      tap /= axis.kernel;
      std::int64_t o = first / below % axis.output;
      std::int64_t left = below - first % below;  // positions until o steps on
      for (std::int64_t p = 0; p < positions; ++p) {
        const std::int64_t in = o * axis.stride + shift;
        auto& target = offset[static_cast<std::size_t>(p)];
        target = target < 0 || in < 0 || in >= axis.input ? -1 : target + in * stride;
        if (--left == 0) {
          left = below;
          if (++o == axis.output) o = 0;
        }
      }
      stride *= axis.input;
      below *= axis.output;
    }
    const C* from = x + channel * plane;
    C* row = rows + r * kConvPositions;
    for (std::int64_t p = 0; p < positions; ++p) {
      const std::int64_t at = offset[static_cast<std::size_t>(p)];
      row[p] = at < 0 ? C(0) : from[at];
    }
  }
}

// Elements of x, w and bias (null: none) as C, and the shapes of the tensors they belong to.
// Integer sums wrap.
template <class C>
struct Convolution {
  const C* x;
  const Shape& x_shape;
  const C* w;
  const Shape& w_shape;
  const C* bias;
  std::int64_t group;
  std::vector<WindowAxis> axes;
};

template <class C>
void convolve(const Convolution<C>& conv, Tensor& y) {
  const std::vector<WindowAxis>& axes = conv.axes;
  const std::int64_t group = conv.group;
  std::int64_t plane = 1, positions = 1;
  for (const WindowAxis& axis : axes) plane *= axis.input, positions *= axis.output;
  const std::int64_t in_channels = conv.x_shape[1] / group, out_channels = y.dim(1) / group;
  const std::int64_t depth = out_channels > 0 ? element_count(conv.w_shape) / conv.w_shape[0] : 0;
  const std::int64_t tiles = (positions + kConvPositions - 1) / kConvPositions;
  const std::int64_t blocks = (out_channels + kConvChannels - 1) / kConvChannels;
  parallel_for(y.dim(0) * group * tiles * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> rows(kConvRows * kConvPositions), sums(kConvChannels * kConvPositions);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_channel = task % blocks * kConvChannels;
      const std::int64_t first = task / blocks % tiles * kConvPositions;
      const std::int64_t g = task / blocks / tiles % group;
      const std::int64_t n = task / blocks / tiles / group;
      const std::int64_t channels = std::min(kConvChannels, out_channels - first_channel);
      const std::int64_t count = std::min(kConvPositions, positions - first);
      const std::int64_t channel = g * out_channels + first_channel;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::fill_n(sums.data() + c * kConvPositions, count,
                    conv.bias != nullptr ? conv.bias[channel + c] : C(0));
      }
      for (std::int64_t k = 0; k < depth; k += kConvRows) {
        const std::int64_t deep = std::min(kConvRows, depth - k);
        gather_windows(conv.x + (n * group + g) * in_channels * plane, plane, axes, first, count, k,
                       deep, rows.data());
        accumulate_product(conv.w + channel * depth + k, depth, rows.data(), kConvPositions,
                           sums.data(), kConvPositions, channels, count, deep);
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        store_chunk<C>(y, (n * y.dim(1) + channel + c) * positions + first, count,
                       sums.data() + c * kConvPositions);
      }
    }
  });
}

// The window's axes with numbers, for inputs that have passed infer_convolution.
inline std::vector<WindowAxis> convolution_axes(const ConvAttributes& attributes, const Tensor& x,
                                                const Tensor& w, const Tensor& y) {
  const auto spatial = [](const Tensor& tensor) {
    return std::span<const std::int64_t>(tensor.shape()).subspan(2);
  };
  return resolve_window(attributes.window(), spatial(x), spatial(y), spatial(w));
}

}  // namespace strop

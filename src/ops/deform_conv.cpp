// SPDX-License-Identifier: Apache-2.0
// Convolution whose window's elements are displaced (J. Dai et al., 2017; X. Zhu et al., 2018): tap
// k of output position o reads x at o * stride - pad + k * dilation + offset, interpolated linearly
// with zeros outside of x, times the mask. As in conv, a tile of output positions gathers what its
// windows see into rows, and the weights multiply those. Sums and positions are in float, of f64 in
// double.
#include "ops/deform_conv.hpp"

#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

constexpr std::size_t kMaxAxes = 5;  // up to 2^5 neighbours of a position

void require_divides(const InferContext& context, std::int64_t group, const Dim& channels,
                     const char* what) {
  context.require(!channels.is_constant() || channels.value() % group == 0, ErrorCode::bad_shape,
                  std::string(what) + " is " + std::to_string(group) + ", which does not divide " +
                      channels.to_string() + " channels");
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<DeformConvAttributes>();
  const DType dtype = context.dtype(0);
  context.require(attributes.group >= 1 && attributes.group <= kMaxWindow &&
                      attributes.offset_group >= 1 && attributes.offset_group <= kMaxWindow,
                  ErrorCode::bad_attribute, "group and offset_group must be at least 1");
  const SymShape* x = context.shape(0);
  const SymShape* w = context.shape(1);
  const SymShape* offset = context.shape(2);
  const SymShape* known = x != nullptr ? x : w != nullptr ? w : offset;
  if (known == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const std::size_t rank = known->size(), axes = rank - 2;
  context.require(rank >= 3 && axes <= kMaxAxes, ErrorCode::bad_shape,
                  "takes 1 to " + std::to_string(kMaxAxes) +
                      " spatial axes after batch and channels, but rank is " +
                      std::to_string(rank));
  for (const std::size_t i : {0, 1, 2, 4}) {
    if (context.has_input(i)) context.require_rank(i, static_cast<std::int64_t>(rank));
  }
  const WindowSpec window = attributes.window();
  check_window(context, window, axes);
  std::vector<std::optional<Dim>> y(rank);
  if (x != nullptr) {
    y[0] = (*x)[0];
    require_divides(context, attributes.offset_group, (*x)[1], "offset_group");
  }
  Dim taps(1);
  if (w != nullptr) {
    y[1] = (*w)[0];
    require_divides(context, attributes.group, (*w)[0], "group");
    if (x != nullptr) {
      context.require_equal((*x)[1], (*w)[1] * Dim(attributes.group),
                            "channels of x, and of w times group");
    }
    taps = product({w->begin() + 2, w->end()});
    for (std::size_t i = 0; x != nullptr && i < axes; ++i) {
      const Dim& kernel = (*w)[i + 2];
      if (kernel.is_constant()) {
        y[i + 2] = window_output(context, window, i, axes, (*x)[i + 2], kernel.value());
      }
    }
  }
  const auto check_map = [&](std::size_t input, const Dim& channels, const std::string& what) {
    if (!context.has_input(input) || context.shape(input) == nullptr) return;
    const SymShape& map = *context.shape(input);
    if (w != nullptr) {
      context.require_equal(map[1], channels, "channels of " + what + " and those that w needs");
    }
    for (std::size_t i = 0; i < rank; ++i) {
      if (i == 1) continue;
      y[i] = y[i] ? context.require_equal(map[i], *y[i], "sizes of " + what + " and of the result")
                  : map[i];
    }
  };
  const Dim maps = taps * Dim(attributes.offset_group);
  check_map(2, maps * Dim(static_cast<std::int64_t>(axes)), "offset");
  check_map(4, maps, "mask");
  if (context.has_input(3)) {
    context.require_rank(3, 1);
    if (w != nullptr && context.shape(3) != nullptr) {
      context.require_equal((*context.shape(3))[0], (*w)[0], "sizes of bias and output channels");
    }
  }
  SymShape shape;
  for (const auto& size : y) shape.push_back(size ? *size : context.fresh_dim());
  context.set_output(0, dtype, std::move(shape));
}

constexpr std::int64_t kPositions = 64;  // output positions of a tile
constexpr std::int64_t kRows = 256;      // gathered rows at a time
constexpr std::int64_t kChannels = 64;   // output channels of a task

template <class C>
struct Maps {
  const C* x;
  const C* offset;
  const C* mask;  // null: ones
  const std::vector<WindowAxis>& axes;
  std::int64_t channels, offset_group;  // of x
  std::int64_t plane, taps, positions;  // elements of a channel; of a window; of y's channel
};

// x at a position of one channel, interpolated; zeros lie around it.
template <class C>
C interpolated(const C* plane, const std::vector<WindowAxis>& axes,
               const std::array<C, kMaxAxes>& at) {
  std::array<std::int64_t, kMaxAxes> low{};
  std::array<C, kMaxAxes> part{};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (!(at[i] > -1 && at[i] < static_cast<C>(axes[i].input))) return 0;  // NaN too
    const C below = std::floor(at[i]);
    low[i] = static_cast<std::int64_t>(below);
    part[i] = at[i] - below;
  }
  C sum = 0;
  for (std::uint32_t corner = 0; corner < 1u << axes.size(); ++corner) {
    C weight = 1;
    std::int64_t index = 0;
    bool inside = true;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const bool upper = (corner >> i & 1) != 0;
      const std::int64_t place = low[i] + (upper ? 1 : 0);
      inside = inside && place >= 0 && place < axes[i].input;
      weight *= upper ? part[i] : 1 - part[i];
      index = index * axes[i].input + place;
    }
    if (inside) sum += weight * plane[index];
  }
  return sum;
}

// rows[r][p] for rows [first_row, first_row + count) of group g of image n, at output positions
// first + p. A row is an input channel of the group and a tap.
template <class C>
void gather(const Maps<C>& maps, std::int64_t n, std::int64_t first_channel, std::int64_t first,
            std::int64_t positions, std::int64_t first_row, std::int64_t count, C* rows) {
  const auto rank = static_cast<std::int64_t>(maps.axes.size());
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t channel = first_channel + (first_row + r) / maps.taps;
    const std::int64_t tap = (first_row + r) % maps.taps;
    const std::int64_t og = channel / (maps.channels / maps.offset_group);
    const std::int64_t map = (n * maps.offset_group + og) * maps.taps + tap;
    const C* plane = maps.x + (n * maps.channels + channel) * maps.plane;
    for (std::int64_t p = 0; p < positions; ++p) {
      std::array<C, kMaxAxes> at{};
      std::int64_t o = first + p, k = tap;
      for (std::int64_t i = rank; i-- > 0;) {
        const WindowAxis& axis = maps.axes[static_cast<std::size_t>(i)];
        const std::int64_t start =
            o % axis.output * axis.stride - axis.begin + k % axis.kernel * axis.dilation;
        at[static_cast<std::size_t>(i)] =
            static_cast<C>(start) + maps.offset[(map * rank + i) * maps.positions + first + p];
        o /= axis.output;
        k /= axis.kernel;
      }
      const C value = interpolated(plane, maps.axes, at);
      rows[r * kPositions + p] =
          maps.mask != nullptr ? value * maps.mask[map * maps.positions + first + p] : value;
    }
  }
}

template <class C>
void convolve(const KernelContext& context, const std::vector<WindowAxis>& axes, Tensor& y) {
  const auto& attributes = context.attributes<DeformConvAttributes>();
  std::array<std::vector<C>, 5> copies;
  const auto load = [&](std::size_t i) -> const C* {
    return context.has_input(i) ? load_all<C>(context.input(i), copies[i]) : nullptr;
  };
  Maps<C> maps{load(0), load(2), load(4), axes, context.input(0).dim(1), attributes.offset_group,
               1,       1,       1};
  const C* weights = load(1);
  const C* bias = load(3);
  for (const WindowAxis& axis : axes) {
    maps.plane *= axis.input, maps.taps *= axis.kernel, maps.positions *= axis.output;
  }
  const std::int64_t group = attributes.group;
  const std::int64_t in_channels = maps.channels / group, out_channels = y.dim(1) / group;
  const std::int64_t depth = in_channels * maps.taps;
  const std::int64_t tiles = (maps.positions + kPositions - 1) / kPositions;
  const std::int64_t blocks = (out_channels + kChannels - 1) / kChannels;
  parallel_for(y.dim(0) * group * tiles * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> rows(kRows * kPositions), sums(kChannels * kPositions);
    for (std::int64_t task = begin; task < end; ++task) {
      context.check_deadline();
      const std::int64_t first_channel = task % blocks * kChannels;
      const std::int64_t first = task / blocks % tiles * kPositions;
      const std::int64_t g = task / blocks / tiles % group;
      const std::int64_t n = task / blocks / tiles / group;
      const std::int64_t channels = std::min(kChannels, out_channels - first_channel);
      const std::int64_t count = std::min(kPositions, maps.positions - first);
      const std::int64_t channel = g * out_channels + first_channel;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::fill_n(sums.data() + c * kPositions, count,
                    bias != nullptr ? bias[channel + c] : C(0));
      }
      for (std::int64_t k = 0; k < depth; k += kRows) {
        const std::int64_t deep = std::min(kRows, depth - k);
        gather(maps, n, g * in_channels, first, count, k, deep, rows.data());
        accumulate_product(weights + channel * depth + k, depth, rows.data(), kPositions,
                           sums.data(), kPositions, channels, count, deep);
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        store_chunk<C>(y, (n * y.dim(1) + channel + c) * maps.positions + first, count,
                       sums.data() + c * kPositions);
      }
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const auto spatial = [](const Tensor& tensor) {
    return std::span<const std::int64_t>(tensor.shape()).subspan(2);
  };
  const auto axes = resolve_window(context.attributes<DeformConvAttributes>().window(), spatial(x),
                                   spatial(y), spatial(context.input(1)));
  if (x.dtype() == DType::f64) {
    convolve<double>(context, axes, y);
  } else {
    convolve<float>(context, axes, y);
  }
}

}  // namespace

const OpDef& op_deform_conv() {
  static const OpDef def{
      .name = "deform_conv",
      .summary =
          "convolution in which each element of a window is displaced by an offset and "
          "weighted by a mask",
      .limits = "1 to 5 spatial axes",
      .attributes = &attribute_schema<DeformConvAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "w", .types = kFloats, .same_as = 'T'},
                 {.name = "offset", .types = kFloats, .same_as = 'T'},
                 {.name = "bias", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
                 {.name = "mask", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

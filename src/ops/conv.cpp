// SPDX-License-Identifier: Apache-2.0
// Convolution over any number of spatial axes. A tile of output positions gathers what its windows
// see into rows (one per input channel and tap), and the weights multiply those rows. Sums are in
// float for the 16-bit types.
#include "ops/conv.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ConvAttributes>();
  const SymShape* x = context.shape(0);
  const SymShape* w = context.shape(1);
  context.require(attributes.group >= 1, ErrorCode::bad_attribute,
                  "group is " + std::to_string(attributes.group) + "; it must be at least 1");
  const SymShape* known = x != nullptr ? x : w;
  if (known == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
  }
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
    if (context.has_input(2)) {
      context.require_rank(2, 1);
      if (context.shape(2) != nullptr) {
        context.require_equal((*context.shape(2))[0], (*w)[0], "sizes of bias and output channels");
      }
    }
    for (std::size_t i = 0; x != nullptr && i < axes; ++i) {
      const Dim& kernel = (*w)[i + 2];
      if (kernel.is_constant()) {
        y[i + 2] = window_output(context, window, i, axes, (*x)[i + 2], kernel.value());
      }
    }
  }
  context.set_output(0, context.dtype(0), std::move(y));
}

constexpr std::int64_t kPositions = 256;  // output positions of a tile
constexpr std::int64_t kRows = 256;       // gathered rows at a time
constexpr std::int64_t kChannels = 64;    // output channels of a task

// rows[r][p] for rows [first_row, first_row + count): what output position first + p sees of input
// channel r / taps at tap r % taps, 0 in the padding.
template <class C>
void gather(const C* x, std::int64_t plane, const std::vector<WindowAxis>& axes, std::int64_t first,
            std::int64_t positions, std::int64_t first_row, std::int64_t count, C* rows) {
  std::int64_t taps = 1;
  for (const WindowAxis& axis : axes) taps *= axis.kernel;
  std::array<std::int64_t, kPositions> offset;  // in the channel's plane; -1: padding
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
    C* row = rows + r * kPositions;
    for (std::int64_t p = 0; p < positions; ++p) {
      const std::int64_t at = offset[static_cast<std::size_t>(p)];
      row[p] = at < 0 ? C(0) : from[at];
    }
  }
}

template <class C>
void convolve(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y, std::int64_t group,
              const std::vector<WindowAxis>& axes) {
  std::vector<C> x_copy, w_copy, bias_copy;
  const C* in = load_all<C>(x, x_copy);
  const C* weights = load_all<C>(w, w_copy);
  const C* biases = bias != nullptr ? load_all<C>(*bias, bias_copy) : nullptr;
  std::int64_t plane = 1, positions = 1;
  for (const WindowAxis& axis : axes) plane *= axis.input, positions *= axis.output;
  const std::int64_t in_channels = x.dim(1) / group, out_channels = y.dim(1) / group;
  const std::int64_t depth = out_channels > 0 ? w.size() / w.dim(0) : 0;
  const std::int64_t tiles = (positions + kPositions - 1) / kPositions;
  const std::int64_t blocks = (out_channels + kChannels - 1) / kChannels;
  parallel_for(y.dim(0) * group * tiles * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> rows(kRows * kPositions), sums(kChannels * kPositions);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_channel = task % blocks * kChannels;
      const std::int64_t first = task / blocks % tiles * kPositions;
      const std::int64_t g = task / blocks / tiles % group;
      const std::int64_t n = task / blocks / tiles / group;
      const std::int64_t channels = std::min(kChannels, out_channels - first_channel);
      const std::int64_t count = std::min(kPositions, positions - first);
      const std::int64_t channel = g * out_channels + first_channel;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::fill_n(sums.data() + c * kPositions, count,
                    biases != nullptr ? biases[channel + c] : C(0));
      }
      for (std::int64_t k = 0; k < depth; k += kRows) {
        const std::int64_t deep = std::min(kRows, depth - k);
        gather(in + (n * group + g) * in_channels * plane, plane, axes, first, count, k, deep,
               rows.data());
        accumulate_product(weights + channel * depth + k, depth, rows.data(), kPositions,
                           sums.data(), kPositions, channels, count, deep);
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        store_chunk<C>(y, (n * y.dim(1) + channel + c) * positions + first, count,
                       sums.data() + c * kPositions);
      }
    }
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ConvAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(1);
  Tensor& y = context.output(0);
  const auto spatial = [](const Tensor& tensor) {
    return std::span<const std::int64_t>(tensor.shape()).subspan(2);
  };
  const auto axes = resolve_window(attributes.window(), spatial(x), spatial(y), spatial(w));
  const Tensor* bias = context.has_input(2) ? &context.input(2) : nullptr;
  if (x.dtype() == DType::f64) {
    convolve<double>(x, w, bias, y, attributes.group, axes);
  } else {
    convolve<float>(x, w, bias, y, attributes.group, axes);
  }
}

}  // namespace

const OpDef& op_conv() {
  static const OpDef def{
      .name = "conv",
      .summary =
          "y[n,m,o] = bias[m] + sum over c, k of w[m,c,k] * x[n,c,o*stride + k*dilation - pad]",
      .limits = "1 to 3 spatial axes",
      .attributes = &attribute_schema<ConvAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "w", .types = kFloats, .same_as = 'T'},
                 {.name = "bias", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

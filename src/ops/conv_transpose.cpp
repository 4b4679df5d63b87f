// SPDX-License-Identifier: Apache-2.0
// Transposed convolution over one to three spatial axes: every input element adds its window of
// weights to the output. Parallel over output channels, so that no two threads add to one element.
#include "ops/conv_transpose.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

constexpr std::size_t kMaxAxes = 3;

WindowSpec window_of(const ConvTransposeAttributes& a) {
  return {a.strides, a.dilations, a.pads, a.auto_pad};
}

// What the windows cover before anything is cut off: stride * (input - 1) + extent + padding.
Dim covered(const ConvTransposeAttributes& a, std::size_t i, const Dim& input,
            std::int64_t kernel) {
  return (input - Dim(1)) * Dim(at_or(a.strides, i, 1)) +
         Dim(window_extent(window_of(a), i, kernel) + at_or(a.output_padding, i, 0));
}

Dim output_size(const InferContext& context, const ConvTransposeAttributes& a, std::size_t i,
                std::size_t axes, const Dim& input, std::int64_t kernel) {
  context.require(kernel >= 1 && kernel <= kMaxWindow, ErrorCode::bad_shape,
                  "a window of size " + std::to_string(kernel));
  context.require(!input.is(0), ErrorCode::bad_shape, "a spatial axis of size 0");
  if (!a.output_shape.empty()) return a.output_shape[i];
  if (a.auto_pad == AutoPad::same_upper || a.auto_pad == AutoPad::same_lower) {
    return input * Dim(at_or(a.strides, i, 1));
  }
  const bool valid = a.auto_pad == AutoPad::valid;
  const std::int64_t cut = valid ? 0 : at_or(a.pads, i, 0) + at_or(a.pads, i + axes, 0);
  const Dim size = covered(a, i, input, kernel) - Dim(cut);
  if (size.is_constant() && size.value() < 0) {
    context.fail(ErrorCode::bad_shape,
                 "pads cut off more than there is on spatial axis " + std::to_string(i));
  }
  return size;
}

void infer(InferContext& context) {
  const auto& a = context.attributes<ConvTransposeAttributes>();
  context.require(a.group >= 1, ErrorCode::bad_attribute,
                  "group is " + std::to_string(a.group) + "; it must be at least 1");
  const SymShape* x = context.shape(0);
  const SymShape* w = context.shape(1);
  const SymShape* known = x != nullptr ? x : w;
  if (known == nullptr) {
    return context.set_output(0, Type::tensor_of_unknown_rank(context.dtype(0)));
  }
  context.require(known->size() >= 3 && known->size() <= kMaxAxes + 2, ErrorCode::bad_shape,
                  "needs a batch axis, a channel axis and one to three spatial axes");
  const std::size_t axes = known->size() - 2;
  context.require_rank(0, static_cast<std::int64_t>(axes + 2));
  context.require_rank(1, static_cast<std::int64_t>(axes + 2));
  check_window(context, window_of(a), axes);
  for (const auto& [values, name] : {std::pair(&a.output_padding, "output_padding"),
                                     std::pair(&a.output_shape, "output_shape")}) {
    context.require(values->empty() || values->size() == axes, ErrorCode::bad_attribute,
                    std::string(name) + " needs a value per spatial axis");
    for (std::int64_t value : *values) {
      context.require(value >= 0 && value <= kMaxWindow, ErrorCode::bad_attribute,
                      std::string(name) + " has the value " + std::to_string(value));
    }
  }
  SymShape y = context.fresh_shape(axes + 2);
  if (x != nullptr) y[0] = (*x)[0];
  if (x != nullptr && (*x)[1].is_constant()) {
    context.require((*x)[1].value() % a.group == 0, ErrorCode::bad_shape,
                    "group does not divide the input channels");
  }
  if (w != nullptr) {
    y[1] = (*w)[1] * Dim(a.group);
    if (x != nullptr) context.require_equal((*x)[1], (*w)[0], "channels of x and of w");
    if (context.has_input(2)) {
      context.require_rank(2, 1);
      if (context.shape(2) != nullptr) {
        context.require_equal((*context.shape(2))[0], y[1], "sizes of bias and output channels");
      }
    }
    for (std::size_t i = 0; x != nullptr && i < axes; ++i) {
      const Dim& kernel = (*w)[i + 2];
      if (kernel.is_constant()) {
        y[i + 2] = output_size(context, a, i, axes, (*x)[i + 2], kernel.value());
      }
    }
  }
  context.set_output(0, context.dtype(0), std::move(y));
}

// Input position i and tap k meet output position i * stride + k * dilation - begin.
using Axes = std::array<WindowAxis, kMaxAxes>;

Axes resolve(const ConvTransposeAttributes& a, const Tensor& x, const Tensor& w, const Tensor& y) {
  Axes axes;
  const std::size_t count = x.shape().size() - 2;
  for (std::size_t i = 0; i < count; ++i) {
    WindowAxis& axis = axes[kMaxAxes - count + i];
    axis.input = x.shape()[i + 2];
    axis.output = y.shape()[i + 2];
    axis.kernel = w.shape()[i + 2];
    axis.stride = at_or(a.strides, i, 1);
    axis.dilation = at_or(a.dilations, i, 1);
    const bool same = a.auto_pad == AutoPad::same_upper || a.auto_pad == AutoPad::same_lower;
    if (same || !a.output_shape.empty()) {
      const std::int64_t total = std::max<std::int64_t>(
          0, covered(a, i, Dim(axis.input), axis.kernel).value() - axis.output);
      axis.begin = a.auto_pad == AutoPad::same_upper ? total / 2 : total - total / 2;
    } else if (a.auto_pad == AutoPad::explicit_pads) {
      axis.begin = at_or(a.pads, i, 0);
    }
  }
  return axes;
}

// y[plane] += x[plane] spread over windows of w.
template <class C>
void spread(const C* x, const C* w, const Axes& axes, C* y) {
  const auto& [outer, middle, inner] = axes;
  for (std::int64_t a = 0; a < outer.input; ++a) {
    for (std::int64_t k = 0; k < outer.kernel; ++k) {
      const std::int64_t o = a * outer.stride + k * outer.dilation - outer.begin;
      if (o < 0 || o >= outer.output) continue;
      for (std::int64_t b = 0; b < middle.input; ++b) {
        for (std::int64_t l = 0; l < middle.kernel; ++l) {
          const std::int64_t p = b * middle.stride + l * middle.dilation - middle.begin;
          if (p < 0 || p >= middle.output) continue;
          const C* from = x + (a * middle.input + b) * inner.input;
          const C* weights = w + (k * middle.kernel + l) * inner.kernel;
          C* to = y + (o * middle.output + p) * inner.output;
          for (std::int64_t m = 0; m < inner.kernel; ++m) {
            const std::int64_t shift = m * inner.dilation - inner.begin;
            // Input positions that land inside the line.
            const std::int64_t first = shift >= 0 ? 0 : (-shift + inner.stride - 1) / inner.stride;
            const std::int64_t room = inner.output - shift;
            const std::int64_t last =
                room <= 0 ? 0 : std::min(inner.input, (room + inner.stride - 1) / inner.stride);
            for (std::int64_t c = first; c < last; ++c) {
              to[c * inner.stride + shift] += from[c] * weights[m];
            }
          }
        }
      }
    }
  }
}

template <class C>
void compute(const Tensor& x, const Tensor& w, const Tensor* bias, Tensor& y, std::int64_t group,
             const Axes& axes) {
  std::vector<C> x_copy, w_copy, bias_copy;
  const C* in = load_all<C>(x, x_copy);
  const C* weights = load_all<C>(w, w_copy);
  const C* biases = bias != nullptr ? load_all<C>(*bias, bias_copy) : nullptr;
  std::int64_t plane = 1, out_plane = 1, taps = 1;
  for (const WindowAxis& axis : axes) {
    plane *= axis.input, out_plane *= axis.output, taps *= axis.kernel;
  }
  const std::int64_t in_channels = x.dim(1) / group, out_channels = w.dim(1);
  parallel_for(y.dim(0) * y.dim(1), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> sums(static_cast<std::size_t>(out_plane));
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t m = task % y.dim(1), n = task / y.dim(1), g = m / out_channels;
      std::fill(sums.begin(), sums.end(), biases != nullptr ? biases[m] : C(0));
      for (std::int64_t c = g * in_channels; c < (g + 1) * in_channels; ++c) {
        spread(in + (n * x.dim(1) + c) * plane,
               weights + (c * out_channels + m % out_channels) * taps, axes, sums.data());
      }
      for (std::int64_t i = 0; i < out_plane; i += kChunk) {
        store_chunk<C>(y, task * out_plane + i, std::min(kChunk, out_plane - i), sums.data() + i);
      }
    }
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ConvTransposeAttributes>();
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(1);
  const Tensor* bias = context.has_input(2) ? &context.input(2) : nullptr;
  Tensor& y = context.output(0);
  const Axes axes = resolve(attributes, x, w, y);
  if (x.dtype() == DType::f64) {
    compute<double>(x, w, bias, y, attributes.group, axes);
  } else {
    compute<float>(x, w, bias, y, attributes.group, axes);
  }
}

}  // namespace

const OpDef& op_conv_transpose() {
  static const OpDef def{
      .name = "conv_transpose",
      .summary = "y[n,m,i*stride + k*dilation - pad] += x[n,c,i] * w[c,m,k], and bias",
      .limits = "1 to 3 spatial axes",
      .attributes = &attribute_schema<ConvTransposeAttributes>(),
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

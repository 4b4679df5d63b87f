// SPDX-License-Identifier: Apache-2.0
// Interpolation is separable: one axis after the other is resized, in float (double for f64 and
// wide integers); integer results are rounded to the nearest even and saturated. Exactly one of
// `scales` and `sizes` is given.
#include "ops/resize.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/resize_filter_support.hpp"

namespace strop {
namespace {

constexpr float kMaxSize = 1e18f;

std::vector<std::size_t> resized_axes(const ResizeAttributes& attributes, std::size_t rank) {
  std::vector<std::size_t> out;
  for (const std::int64_t axis : attributes.axes) {
    out.push_back(static_cast<std::size_t>(normalize_axis(axis, static_cast<std::int64_t>(rank))));
    if (std::ranges::count(out, out.back()) > 1) {
      throw Error(ErrorCode::bad_attribute, "operator resize",
                  "axis " + std::to_string(axis) + " is resized twice");
    }
  }
  for (std::size_t a = 0; a < rank && attributes.axes.empty(); ++a) out.push_back(a);
  return out;
}

// The common scale of all axes that keeps the aspect ratio.
float aspect_scale(ResizeAspect policy, std::span<const std::int64_t> from,
                   std::span<const std::int64_t> to) {
  float scale = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const float own = static_cast<float>(to[i]) / static_cast<float>(from[i]);
    const bool better = policy == ResizeAspect::not_larger ? own < scale : own > scale;
    if (i == 0 || better) scale = own;
  }
  return scale;
}

Dim scaled_size(InferContext& context, const Dim& size, float scale) {
  context.require(std::isfinite(scale) && scale > 0, ErrorCode::bad_value,
                  "a scale must be a positive number, but is " + std::to_string(scale));
  if (size.is_constant()) {
    const float scaled = std::floor(static_cast<float>(size.value()) * scale);
    context.require(
        scaled <= kMaxSize, ErrorCode::bad_shape,
        "scale " + std::to_string(scale) + " makes size " + size.to_string() + " too large");
    return Dim(static_cast<std::int64_t>(scaled));
  }
  // With a small fraction the product is exact in float for every real size.
  for (std::int64_t divisor = 1; divisor <= 16; divisor *= 2) {
    const float times = scale * static_cast<float>(divisor);
    if (times == std::floor(times) && times <= 64) {
      return floordiv(size * static_cast<std::int64_t>(times), divisor);
    }
  }
  return context.fresh_dim();
}

// Sizes of the resized axes when `sizes` is given.
std::vector<Dim> wanted_sizes(InferContext& context, const SymShape& x,
                              const std::vector<std::size_t>& axes) {
  const auto sizes = context.elements(3);
  if (!sizes) return context.fresh_shape(axes.size());
  context.require(
      sizes->size() == axes.size(), ErrorCode::bad_shape,
      std::to_string(sizes->size()) + " sizes for " + std::to_string(axes.size()) + " axes");
  for (const Dim& size : *sizes) {
    context.require(!size.is_constant() || size.value() >= 0, ErrorCode::bad_value,
                    "sizes " + to_string(*sizes) + " are negative");
  }
  const ResizeAspect policy = context.attributes<ResizeAttributes>().aspect;
  if (policy == ResizeAspect::stretch) return *sizes;
  std::vector<std::int64_t> from, to;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Dim& size = x[axes[i]];
    if (!size.is_constant() || !(*sizes)[i].is_constant()) return context.fresh_shape(axes.size());
    context.require(size.value() > 0, ErrorCode::bad_shape, "an empty axis has no aspect ratio");
    from.push_back(size.value());
    to.push_back((*sizes)[i].value());
  }
  const float scale = aspect_scale(policy, from, to);
  std::vector<Dim> out;
  for (const std::int64_t size : from) {
    const float scaled = std::floor(scale * static_cast<float>(size) + 0.5f);
    context.require(scaled <= kMaxSize, ErrorCode::bad_shape, "a resized axis is too large");
    out.emplace_back(static_cast<std::int64_t>(scaled));
  }
  return out;
}

bool is_given(const InferContext& context, std::size_t i) {
  // An empty tensor is as good as none: older opsets write absent inputs so.
  if (!context.has_input(i)) return false;
  const SymShape* shape = context.shape(i);
  return shape == nullptr || shape->size() != 1 || !(*shape)[0].is(0);
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<ResizeAttributes>();
  const SymShape* x = context.shape(0);
  const DType dtype = context.dtype(0);
  context.require(attributes.mode == ResizeMode::nearest || kNumbers.contains(dtype),
                  ErrorCode::bad_type,
                  "elements of type " + std::string(to_string(dtype)) +
                      " are not interpolated; mode nearest takes every type");
  const bool by_scales = is_given(context, 2);
  context.require(by_scales != is_given(context, 3), ErrorCode::model_malformed,
                  "exactly one of scales and sizes must be given");
  for (std::size_t i = 1; i < 4; ++i) {
    if (context.has_input(i)) context.require_rank(i, 1);
  }
  if (x == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const auto axes = resized_axes(attributes, x->size());
  if (attributes.coordinates == ResizeCoordinates::tf_crop_and_resize) {
    context.require(is_given(context, 1), ErrorCode::model_malformed,
                    "tf_crop_and_resize needs a roi");
    if (const SymShape* roi = context.shape(1)) {
      context.require_equal((*roi)[0], Dim(2 * static_cast<std::int64_t>(axes.size())),
                            "the length of roi and twice the number of axes");
    }
  }
  SymShape shape = *x;
  std::vector<Dim> sizes;
  if (!by_scales) {
    sizes = wanted_sizes(context, *x, axes);
  } else if (const Tensor* scales = context.constant(2)) {
    context.require(
        scales->size() == static_cast<std::int64_t>(axes.size()), ErrorCode::bad_shape,
        std::to_string(scales->size()) + " scales for " + std::to_string(axes.size()) + " axes");
    for (std::size_t i = 0; i < axes.size(); ++i) {
      sizes.push_back(scaled_size(context, (*x)[axes[i]], scales->values<float>()[i]));
    }
  } else {
    sizes = context.fresh_shape(axes.size());
  }
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const Dim& before = (*x)[axes[i]];
    context.require(!before.is(0) || !sizes[i].is_constant() || sizes[i].is(0),
                    ErrorCode::bad_shape, "an empty axis cannot be resized to elements");
    shape[axes[i]] = sizes[i];
  }
  context.set_output(0, dtype, std::move(shape));
}

// Axes of x that change, with sizes, scale and region. x is not empty.
std::vector<std::pair<std::size_t, ResizedAxis>> changing_axes(KernelContext& context) {
  const auto& attributes = context.attributes<ResizeAttributes>();
  const Shape& from = context.input(0).shape();
  const Shape& to = context.output(0).shape();
  const auto axes = resized_axes(attributes, from.size());
  const bool cropping = attributes.coordinates == ResizeCoordinates::tf_crop_and_resize;
  const bool by_scales = context.has_input(2) && context.input(2).size() > 0;
  std::optional<float> common;
  if (!by_scales && attributes.aspect != ResizeAspect::stretch) {
    std::vector<std::int64_t> sizes_before;
    for (const std::size_t a : axes) sizes_before.push_back(from[a]);
    common = aspect_scale(attributes.aspect, sizes_before, context.input(3).to_i64());
  }
  std::vector<std::pair<std::size_t, ResizedAxis>> out;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    ResizedAxis axis{.input = from[axes[i]], .output = to[axes[i]]};
    axis.scale = by_scales ? context.input(2).values<float>()[i]
                 : common  ? *common
                           : static_cast<float>(axis.output) / static_cast<float>(axis.input);
    if (cropping) {
      float region[2];
      for (std::size_t end = 0; end < 2; ++end) {
        const Tensor& roi = context.input(1);
        const auto at = static_cast<std::int64_t>(i + end * axes.size());
        region[end] = static_cast<float>(load_as_double(roi.dtype(), roi.data(), at));
        if (!std::isfinite(region[end])) context.fail("roi holds a value that is not finite");
      }
      axis.roi_start = region[0];
      axis.roi_end = region[1];
    } else if (axis.input == axis.output && axis.scale == 1) {
      continue;
    }
    out.emplace_back(axes[i], axis);
  }
  return out;
}

// x resized along one axis; both hold elements of type T (float or double).
template <class T>
Tensor filtered(const ResizeAttributes& attributes, const Tensor& x, std::size_t axis,
                const ResizedAxis& sizes) {
  Shape shape = x.shape();
  shape[axis] = sizes.output;
  Tensor y = Tensor::allocate(x.dtype(), shape);
  const AxisFilter filter = interpolation_filter(attributes, sizes);
  const AxisSplit split(shape, static_cast<std::int64_t>(axis));
  const T* in = x.values<T>().data();
  T* out = y.mutable_values<T>().data();
  parallel_for(split.outer * split.size, 1 + 16384 / (filter.taps * split.inner),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   const std::int64_t i = row % split.size;
                   const T* from = in + row / split.size * sizes.input * split.inner;
                   T* to = out + row * split.inner;
                   const bool outside = filter.outside[static_cast<std::size_t>(i)];
                   std::fill_n(to, split.inner,
                               static_cast<T>(outside ? attributes.extrapolation_value : 0));
                   for (std::int64_t tap = 0; tap < filter.taps && !outside; ++tap) {
                     const auto at = static_cast<std::size_t>(i * filter.taps + tap);
                     const T weight = static_cast<T>(filter.weights[at]);
                     const T* source = from + filter.indices[at] * split.inner;
                     for (std::int64_t j = 0; j < split.inner; ++j) to[j] += weight * source[j];
                   }
                 }
               });
  return y;
}

void interpolate(KernelContext& context) {
  const auto& attributes = context.attributes<ResizeAttributes>();
  Tensor& y = context.output(0);
  const DType dtype = y.dtype();
  const bool wide = bits_of(dtype) >= 32 && dtype != DType::f32;
  const auto compute = [&]<class T>() {
    Tensor current = context.input(0);
    if (dtype != DTypeOf<T>::value) {
      const Tensor& x = context.input(0);
      current = Tensor::allocate(DTypeOf<T>::value, x.shape());
      auto values = current.mutable_values<T>();
      for (std::int64_t i = 0; i < x.size(); ++i) {
        values[static_cast<std::size_t>(i)] = static_cast<T>(load_as_double(dtype, x.data(), i));
      }
    }
    for (const auto& [axis, sizes] : changing_axes(context)) {
      current = filtered<T>(attributes, current, axis, sizes);
    }
    if (dtype == DTypeOf<T>::value) return copy_whole(current, y);
    const auto values = current.values<T>();
    if (is_floating(dtype)) {
      for (std::int64_t i = 0; i < y.size(); ++i) {
        store_from_double(dtype, y.mutable_data(), i, values[static_cast<std::size_t>(i)]);
      }
      return;
    }
    dispatch_integer(dtype, [&]<class I>() {
      auto out = y.mutable_values<I>();
      for (std::size_t i = 0; i < out.size(); ++i) {
        const double value = std::nearbyint(static_cast<double>(values[i]));
        constexpr auto lowest = std::numeric_limits<I>::lowest();
        constexpr auto largest = std::numeric_limits<I>::max();
        // The double of a 64-bit maximum is one above it, hence >=.
        out[i] = value >= static_cast<double>(largest) ? largest
                 : value > static_cast<double>(lowest) ? static_cast<I>(value)
                                                       : lowest;
      }
    });
  };
  if (wide) return compute.operator()<double>();
  compute.operator()<float>();
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ResizeAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  if (attributes.mode != ResizeMode::nearest) return interpolate(context);
  std::vector<AxisMap> axes = identity_axes(x.shape());
  for (const auto& [axis, sizes] : changing_axes(context)) {
    axes[axis].size = sizes.output;
    axes[axis].table = nearest_indices(attributes, sizes);
    for (std::int64_t& entry : axes[axis].table) {
      if (entry != AxisMap::kFill) entry *= axes[axis].step;
    }
  }
  Tensor outside = Tensor::zeros(x.dtype(), {1});
  if (kNumbers.contains(x.dtype())) {
    store_from_double(x.dtype(), outside.mutable_data(), 0, attributes.extrapolation_value);
  }
  move_elements(x, y, std::move(axes), &outside);
}

}  // namespace

const OpDef& op_resize() {
  static const OpDef def{
      .name = "resize",
      .summary = "x sampled at another resolution along some axes",
      .attributes = &attribute_schema<ResizeAttributes>(),
      .inputs = {{.name = "x", .types = kAny, .same_as = 'T'},
                 {.name = "roi", .types = kFloats, .arity = Operand::optional},
                 {.name = "scales", .types = {DType::f32}, .arity = Operand::optional},
                 {.name = "sizes", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b1110},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

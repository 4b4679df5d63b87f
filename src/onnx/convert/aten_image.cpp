// SPDX-License-Identifier: Apache-2.0
// PyTorch on images and other tensors [N, C, spatial...]: upsampling, sampling by a grid, pools,
// pixels that become channels and back.
#include <cmath>
#include <numeric>

#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/aten_support.hpp"
#include "ops/affine_grid.hpp"
#include "ops/grid_sample.hpp"
#include "ops/pool.hpp"
#include "ops/resize.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using R = ReduceFunction;

// Factors that belong to those sizes, as far as they are known: x.size * factor, rounded down.
bool factors_fit(ConvertContext& c, ValueId x, const std::vector<double>& factors,
                 const std::vector<std::int64_t>& sizes) {
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const std::int64_t size = known_size(c, x, static_cast<std::int64_t>(i) + 2);
    if (size >= 0 && i < sizes.size() &&
        std::floor(static_cast<double>(size) * factors[i]) != static_cast<double>(sizes[i]))
      return false;
  }
  return true;
}

void upsample(ConvertContext& c, AtenCall& a, std::size_t spatial, ResizeAttributes attributes) {
  const ValueId x = a.given("input") ? a.tensor("input") : a.tensor("self");
  const std::int64_t rank = c.type(x).rank();
  if (rank >= 0 && rank != static_cast<std::int64_t>(spatial) + 2)
    a.malformed("its tensor has " + std::to_string(rank) + " axes");
  std::vector<double> factors;
  if (a.given("scale_factors")) {
    factors = a.numbers("scale_factors");
  } else {
    static constexpr const char* kNames[] = {"scales_d", "scales_h", "scales_w"};
    for (std::size_t i = 3 - spatial; i < 3; ++i) {
      const char* name = spatial == 1 ? "scales" : kNames[i];
      if (a.given(name)) factors.push_back(a.number(name));
    }
    if (factors.size() != spatial) factors.clear();
  }
  for (const double factor : factors) {
    if (!(factor > 0) || std::isinf(factor)) a.malformed("factors must be positive");
  }
  for (std::size_t i = 0; i < spatial; ++i)
    attributes.axes.push_back(static_cast<std::int64_t>(i) + 2);
  const ValueId sizes = a.given("output_size") ? a.sizes("output_size") : ValueId::none();
  const auto known = c.constant_integers(sizes).value_or(std::vector<std::int64_t>{});
  if (!known.empty() && known.size() != spatial)
    a.malformed("output_size has " + std::to_string(known.size()) + " numbers");
  if (factors.size() == spatial && factors_fit(c, x, factors, known)) {
    const std::vector<float> scales(factors.begin(), factors.end());
    const ValueId input =
        c.emitter().constant(Tensor::from<float>({static_cast<std::int64_t>(spatial)}, scales));
    return c.set_output(0, c.emit(op_resize(), attributes, {x, ValueId::none(), input}));
  }
  if (!sizes.exists()) a.malformed("neither its sizes nor its factors are given");
  c.set_output(0, c.emit(op_resize(), attributes, {x, ValueId::none(), ValueId::none(), sizes}));
}

template <int kSpatial, bool kExact>
void upsample_nearest(ConvertContext& c) {
  constexpr const char* kForms[] = {"self output_size scales", "self output_size scales_h scales_w",
                                    "self output_size scales_d scales_h scales_w"};
  AtenCall a(c, {{"vec", "input output_size scale_factors"}, {"", kForms[kSpatial - 1]}});
  const ResizeAttributes exact{.coordinates = ResizeCoordinates::half_pixel,
                               .nearest = ResizeNearest::round_prefer_ceil};
  const ResizeAttributes before{.coordinates = ResizeCoordinates::asymmetric,
                                .nearest = ResizeNearest::floor};
  upsample(c, a, kSpatial, kExact ? exact : before);
}

template <int kSpatial, ResizeMode kMode, bool kAntialias>
void upsample_between(ConvertContext& c) {
  constexpr const char* kForms[] = {"self output_size align_corners scales",
                                    "self output_size align_corners scales_h scales_w",
                                    "self output_size align_corners scales_d scales_h scales_w"};
  AtenCall a(
      c, {{"", kForms[kSpatial - 1]}, {"vec", "input output_size align_corners scale_factors"}});
  ResizeAttributes attributes{.mode = kMode};
  attributes.coordinates = a.boolean("align_corners", false) ? ResizeCoordinates::align_corners
                                                             : ResizeCoordinates::half_pixel;
  attributes.antialias = kAntialias;
  if (kAntialias) attributes.cubic_coefficient = -0.5f;
  upsample(c, a, kSpatial, attributes);
}

void grid_sampler(ConvertContext& c) {
  AtenCall a(c, {{"", "input grid interpolation_mode padding_mode align_corners"}});
  const std::int64_t mode = a.integer("interpolation_mode", 0);
  const std::int64_t padding = a.integer("padding_mode", 0);
  if (mode < 0 || mode > 2) a.malformed("interpolation_mode must be 0, 1 or 2");
  if (padding < 0 || padding > 2) a.malformed("padding_mode must be 0, 1 or 2");
  const GridSampleAttributes attributes{.mode = static_cast<GridSampleMode>(mode),
                                        .padding = static_cast<GridSamplePadding>(padding),
                                        .align_corners = a.boolean("align_corners", false)};
  c.set_output(0, c.emit(op_grid_sample(), attributes, {a.tensor("input"), a.tensor("grid")}));
}

void affine_grid(ConvertContext& c) {
  AtenCall a(c, {{"", "theta size align_corners"}});
  const AffineGridAttributes attributes{.align_corners = a.boolean("align_corners", false)};
  // Between the corners of an axis of one element PyTorch takes the middle, ONNX the first.
  if (attributes.align_corners) {
    for (std::size_t i = 2; const std::int64_t size : a.integers("size")) {
      if (i > 0) {
        --i;
      } else if (size == 1) {
        a.refuse("align_corners with a size of 1");
      }
    }
  }
  c.set_output(0, c.emit(op_affine_grid(), attributes, {a.tensor("theta"), a.sizes("size")}));
}

// Window i of `out` over `in` elements begins at i * in / out, rounded down, and ends before
// (i + 1) * in / out, rounded up. y gathers the windows along the axis, the shorter ones filled up
// with their last element, which weight 0 has (average) or which changes nothing (maximum).
ValueId adaptive_along(ConvertContext& c, AtenCall& a, ValueId x, std::int64_t axis,
                       std::int64_t out, bool largest) {
  const std::int64_t in = known_size(c, x, axis);
  if (out < 1) a.malformed("an output size must be positive");
  if (out == 1) return reduced(c, largest ? R::max : R::mean, x, {axis}, true);
  if (in == out) return x;
  if (in < 0) a.refuse("windows over a size that is not known at import");
  if (in == 0) a.malformed("a spatial axis is empty");
  // A table of windows, which an output size of the file must not blow up.
  constexpr std::int64_t kMost = std::int64_t{1} << 20;
  const std::int64_t longest = in / out + 2;
  if (out > kMost / longest) a.refuse("more than " + std::to_string(kMost) + " windows");
  std::vector<std::int64_t> indices;
  const DType dtype = c.type(x).dtype, wide = wide_type(dtype);
  Tensor weights = Tensor::zeros(wide, {out, longest});
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
    for (std::int64_t k = 0; k < longest; ++k) {
      indices.push_back(std::min(begin + k, end - 1));
      if (begin + k < end) {
        store_from_double(wide, weights.mutable_data(), i * longest + k,
                          1.0 / static_cast<double>(end - begin));
      }
    }
  }
  const ValueId windows = gathered(
      c, x, c.emitter().constant(Tensor::from<std::int64_t>({out, longest}, indices)), axis);
  if (largest) return reduced(c, R::max, windows, {axis + 1}, false);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(c.rank(x) - axis + 1), 1);
  shape[0] = out;
  shape[1] = longest;
  const ValueId factors = reshaped(c, c.emitter().constant(weights), shape);
  const ValueId parts = binary(c, B::mul, cast_to(c, windows, wide), factors);
  return cast_to(c, reduced(c, R::sum, parts, {axis + 1}, false), dtype);
}

template <int kSpatial, bool kLargest>
void adaptive_pool(ConvertContext& c) {
  AtenCall a(c, {{"", "self output_size"}});
  ValueId x = a.tensor("self");
  auto sizes = a.integers("output_size");
  if (sizes.size() == 1) sizes.assign(kSpatial, sizes.front());
  if (sizes.size() != kSpatial) a.malformed("output_size has another number of sizes");
  const std::int64_t first = c.rank(x) - kSpatial;
  if (first < 1) a.malformed("its tensor has too few axes");
  for (std::int64_t i = 0; i < kSpatial; ++i)
    x = adaptive_along(c, a, x, first + i, sizes[static_cast<std::size_t>(i)], kLargest);
  c.set_output(0, x);
}

// One number may stand for all spatial axes.
std::vector<std::int64_t> per_axis(AtenCall& a, const char* name, std::size_t spatial,
                                   std::vector<std::int64_t> otherwise) {
  auto out = a.integers(name, std::move(otherwise));
  if (out.size() == 1) out.assign(spatial, out.front());
  if (!out.empty() && out.size() != spatial)
    a.malformed(std::string(name) + " has " + std::to_string(out.size()) + " numbers");
  return out;
}

void pool(ConvertContext& c, AtenCall& a, std::size_t spatial, PoolAttributes attributes,
          std::size_t outputs) {
  const ValueId x = a.tensor("self");
  if (c.rank(x) != static_cast<std::int64_t>(spatial) + 2) a.refuse("a pool without a batch");
  attributes.kernel = per_axis(a, "kernel_size", spatial, {});
  attributes.strides = per_axis(a, "stride", spatial, {});
  if (attributes.strides.empty()) attributes.strides = attributes.kernel;
  attributes.dilations = per_axis(a, "dilation", spatial, {});
  attributes.pads = per_axis(a, "padding", spatial, {});
  attributes.pads.insert(attributes.pads.end(), attributes.pads.begin(), attributes.pads.end());
  attributes.ceil_mode = a.boolean("ceil_mode", false);
  c.set_outputs(c.emit_many(op_pool(), attributes, {x}, outputs));
}

template <int kSpatial>
void max_pool(ConvertContext& c) {
  AtenCall a(c, {{"", "self kernel_size stride padding dilation ceil_mode"}});
  pool(c, a, kSpatial, {.function = PoolFunction::max}, 1);
}

template <int kSpatial>
void average_pool(ConvertContext& c) {
  AtenCall a(c, {{"",
                  "self kernel_size stride padding ceil_mode count_include_pad "
                  "divisor_override"}});
  if (a.given("divisor_override")) a.refuse("a divisor of its own");
  PoolAttributes attributes{.function = PoolFunction::average};
  attributes.count_include_pad = a.boolean("count_include_pad", true);
  pool(c, a, kSpatial, attributes, 1);
}

// The sizes of x before an axis, and after them constants (positive) or sizes of x times or divided
// by a factor.
ValueId sizes_before(ConvertContext& c, ValueId x, std::int64_t end) {
  return c.emit(op_shape(), ShapeAttributes{.start = 0, .end = end}, {x});
}

ValueId with_shape(ConvertContext& c, ValueId x, std::vector<ValueId> parts) {
  return c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true},
                {x, concatenated(c, std::move(parts), 0)});
}

// The last `moved` axes of x in another order; the others stay.
ValueId reordered(ConvertContext& c, ValueId x, const std::vector<std::int64_t>& order) {
  const std::int64_t first = c.rank(x) - static_cast<std::int64_t>(order.size());
  std::vector<std::int64_t> perm(static_cast<std::size_t>(first));
  std::iota(perm.begin(), perm.end(), 0);
  for (const std::int64_t axis : order) perm.push_back(first + axis);
  return transposed(c, x, perm);
}

ValueId times(ConvertContext& c, ValueId size, std::int64_t factor) {
  return binary(c, B::mul, size, integers(c, {factor}));
}
ValueId divided(ConvertContext& c, ValueId size, std::int64_t factor) {
  return binary(c, B::div, size, integers(c, {factor}));
}

// [..., C r r, H, W] to [..., C, H r, W r].
void pixel_shuffle(ConvertContext& c) {
  AtenCall a(c, {{"", "self upscale_factor"}});
  const ValueId x = a.tensor("self");
  const std::int64_t r = a.integer("upscale_factor"), rank = c.rank(x), first = rank - 3;
  if (r < 1 || r > (1 << 15)) a.malformed("its factor is " + std::to_string(r));
  if (first < 0) a.malformed("its tensor has " + std::to_string(rank) + " axes");
  if (known_size(c, x, first) % (r * r) > 0) a.malformed("its factor does not fit the channels");
  const ValueId before = sizes_before(c, x, first),
                channels = divided(c, size_along(c, x, first), r * r);
  const ValueId h = size_along(c, x, first + 1), w = size_along(c, x, first + 2);
  const ValueId factor = integers(c, {r});
  const ValueId split = with_shape(c, x, {before, channels, factor, factor, h, w});
  c.set_output(0, with_shape(c, reordered(c, split, {0, 3, 1, 4, 2}),
                             {before, channels, times(c, h, r), times(c, w, r)}));
}

void pixel_unshuffle(ConvertContext& c) {
  AtenCall a(c, {{"", "self downscale_factor"}});
  const ValueId x = a.tensor("self");
  const std::int64_t r = a.integer("downscale_factor"), rank = c.rank(x), first = rank - 3;
  if (r < 1 || r > (1 << 15)) a.malformed("its factor is " + std::to_string(r));
  if (first < 0) a.malformed("its tensor has " + std::to_string(rank) + " axes");
  for (const std::int64_t axis : {first + 1, first + 2}) {
    if (known_size(c, x, axis) % r > 0) a.malformed("its factor does not fit the sizes");
  }
  const ValueId before = sizes_before(c, x, first), channels = size_along(c, x, first);
  const ValueId h = divided(c, size_along(c, x, first + 1), r);
  const ValueId w = divided(c, size_along(c, x, first + 2), r);
  const ValueId factor = integers(c, {r});
  const ValueId split = with_shape(c, x, {before, channels, h, factor, w, factor});
  c.set_output(0, with_shape(c, reordered(c, split, {0, 2, 4, 1, 3}),
                             {before, times(c, channels, r * r), h, w}));
}

void channel_shuffle(ConvertContext& c) {
  AtenCall a(c, {{"", "self groups"}});
  const ValueId x = a.tensor("self");
  const std::int64_t groups = a.integer("groups"), rank = c.rank(x);
  if (groups < 1 || rank < 2) a.malformed("groups must be positive, and its tensor have channels");
  if (known_size(c, x, 1) % groups > 0) a.malformed("groups do not divide the channels");
  const ValueId batch = size_along(c, x, 0), each = divided(c, size_along(c, x, 1), groups);
  const ValueId rest = c.emit(op_shape(), ShapeAttributes{.start = 2}, {x});
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank + 1));
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[1], perm[2]);
  const ValueId split = with_shape(c, x, {batch, integers(c, {groups}), each, rest});
  c.set_output(0, reshaped_like(c, transposed(c, split, perm), x));
}

}  // namespace

void register_aten_image(ConverterTable& table) {
  constexpr ResizeMode kLinear = ResizeMode::linear, kCubic = ResizeMode::cubic;
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"upsample_nearest1d", upsample_nearest<1, false>},
      {"upsample_nearest2d", upsample_nearest<2, false>},
      {"upsample_nearest3d", upsample_nearest<3, false>},
      {"_upsample_nearest_exact1d", upsample_nearest<1, true>},
      {"_upsample_nearest_exact2d", upsample_nearest<2, true>},
      {"_upsample_nearest_exact3d", upsample_nearest<3, true>},
      {"upsample_linear1d", upsample_between<1, kLinear, false>},
      {"upsample_bilinear2d", upsample_between<2, kLinear, false>},
      {"upsample_trilinear3d", upsample_between<3, kLinear, false>},
      {"upsample_bicubic2d", upsample_between<2, kCubic, false>},
      {"_upsample_bilinear2d_aa", upsample_between<2, kLinear, true>},
      {"_upsample_bicubic2d_aa", upsample_between<2, kCubic, true>},
      {"grid_sampler", grid_sampler},
      {"grid_sampler_2d", grid_sampler},
      {"grid_sampler_3d", grid_sampler},
      {"affine_grid_generator", affine_grid},
      {"adaptive_avg_pool1d", adaptive_pool<1, false>},
      {"adaptive_avg_pool2d", adaptive_pool<2, false>},
      {"_adaptive_avg_pool2d", adaptive_pool<2, false>},
      {"adaptive_avg_pool3d", adaptive_pool<3, false>},
      {"_adaptive_avg_pool3d", adaptive_pool<3, false>},
      {"adaptive_max_pool1d", adaptive_pool<1, true>},
      {"adaptive_max_pool2d", adaptive_pool<2, true>},
      {"adaptive_max_pool3d", adaptive_pool<3, true>},
      {"max_pool1d", max_pool<1>},
      {"max_pool2d", max_pool<2>},
      {"max_pool3d", max_pool<3>},
      {"avg_pool1d", average_pool<1>},
      {"avg_pool2d", average_pool<2>},
      {"avg_pool3d", average_pool<3>},
      {"pixel_shuffle", pixel_shuffle},
      {"pixel_unshuffle", pixel_unshuffle},
      {"channel_shuffle", channel_shuffle},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx

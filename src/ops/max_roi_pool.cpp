// SPDX-License-Identifier: Apache-2.0
// Maximum over the bins of regions, as Fast R-CNN defines it (R. Girshick, 2015): corners are
// scaled and rounded to elements (halfway away from zero), both ends belong to the region, and a
// region is at least one element. Bins overlap where they do not divide it evenly; one that holds
// nothing of the image is 0. Coordinates are in float.
#include "ops/max_roi_pool.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<MaxRoiPoolAttributes>();
  context.require(attributes.height >= 1 && attributes.width >= 1, ErrorCode::bad_attribute,
                  "the pooled shape is " + std::to_string(attributes.height) + " x " +
                      std::to_string(attributes.width) + "; both must be at least 1");
  context.require(std::isfinite(attributes.spatial_scale), ErrorCode::bad_attribute,
                  "spatial_scale is not a finite number");
  context.require_rank(0, 4);
  context.require_rank(1, 2);
  const SymShape* x = context.shape(0);
  const SymShape* rois = context.shape(1);
  if (rois != nullptr) context.require_equal((*rois)[1], Dim(5), "numbers of a region and 5");
  context.set_output(0, context.dtype(0),
                     {rois != nullptr ? (*rois)[0] : context.fresh_dim(),
                      x != nullptr ? (*x)[1] : context.fresh_dim(), Dim(attributes.height),
                      Dim(attributes.width)});
}

// Bins of one axis as ranges of elements of the image.
struct Bins {
  float start = 0, size = 1;

  Bins(float first, float last, float scale, std::int64_t count) {
    start = std::round(first * scale);
    const float extent = std::max(std::round(last * scale) - start + 1, 1.0f);
    size = extent / static_cast<float>(count);
  }
  std::pair<std::int64_t, std::int64_t> range(std::int64_t bin, std::int64_t image) const {
    const auto clamped = [&](float at) {  // NaN: nothing of the image
      const auto most = static_cast<float>(image);
      return at > 0 ? (at < most ? static_cast<std::int64_t>(at) : image) : 0;
    };
    const auto number = static_cast<float>(bin);
    return {clamped(std::floor(number * size) + start),
            clamped(std::ceil((number + 1) * size) + start)};
  }
};

template <class C>
void pool(const KernelContext& context, const MaxRoiPoolAttributes& attributes, const Tensor& x,
          const Tensor& rois, Tensor& y) {
  std::vector<C> x_copy;
  const C* in = load_all<C>(x, x_copy);
  const std::int64_t channels = x.dim(1), height = x.dim(2), width = x.dim(3);
  const std::int64_t bins = attributes.height * attributes.width;
  parallel_for(rois.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      context.check_deadline();
      std::array<double, 5> roi;
      for (std::int64_t i = 0; i < 5; ++i) {
        roi[static_cast<std::size_t>(i)] = load_as_double(rois.dtype(), rois.data(), r * 5 + i);
      }
      if (!(roi[0] >= 0 && roi[0] < static_cast<double>(x.dim(0)))) {
        context.fail("region " + std::to_string(r) + " is of image " + std::to_string(roi[0]),
                     "x has " + std::to_string(x.dim(0)) + " images");
      }
      const auto image = static_cast<std::int64_t>(roi[0]);
      const auto at = [&](std::size_t i) { return static_cast<float>(roi[i]); };
      const Bins columns(at(1), at(3), attributes.spatial_scale, attributes.width);
      const Bins rows(at(2), at(4), attributes.spatial_scale, attributes.height);
      for (std::int64_t c = 0; c < channels; ++c) {
        const C* plane = in + (image * channels + c) * height * width;
        for (std::int64_t bin = 0; bin < bins; ++bin) {
          const auto [top, bottom] = rows.range(bin / attributes.width, height);
          const auto [left, right] = columns.range(bin % attributes.width, width);
          const bool empty = top >= bottom || left >= right;
          C best = empty ? C(0) : plane[top * width + left];
          for (std::int64_t h = top; h < bottom && !empty; ++h) {
            for (std::int64_t w = left; w < right; ++w) {
              const C value = plane[h * width + w];
              if (value > best || value != value) best = value;
            }
          }
          store_chunk<C>(y, (r * channels + c) * bins + bin, 1, &best);
        }
      }
    }
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<MaxRoiPoolAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    if constexpr (std::is_floating_point_v<C>) {
      pool<C>(context, attributes, x, context.input(1), y);
    }
  });
}

}  // namespace

const OpDef& op_max_roi_pool() {
  static const OpDef def{
      .name = "max_roi_pool",
      .summary = "the largest element of each bin of each region of interest, per channel",
      .attributes = &attribute_schema<MaxRoiPoolAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "rois", .types = kFloats, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Regions of interest sampled bilinearly (He, Gkioxari, Dollar, Girshick: "Mask R-CNN", 2017). A
// sample more than one element outside of the image is 0, nearer ones take the border. Mode max is
// the standard's: the largest of the four weighted neighbours of all samples. Coordinates and sums
// are in float, of f64 in double.
#include "ops/roi_align.hpp"

#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMaxSampling = 1024;  // bounds the loop over what a model claims

void infer(InferContext& context) {
  const auto& attributes = context.attributes<RoiAlignAttributes>();
  context.require(attributes.height >= 1 && attributes.width >= 1, ErrorCode::bad_attribute,
                  "the result is " + std::to_string(attributes.height) + " x " +
                      std::to_string(attributes.width) + "; both must be at least 1");
  context.require(attributes.sampling_ratio >= 0 && attributes.sampling_ratio <= kMaxSampling,
                  ErrorCode::bad_attribute,
                  "sampling_ratio is " + std::to_string(attributes.sampling_ratio) +
                      "; it must be from 0 to " + std::to_string(kMaxSampling));
  context.require(std::isfinite(attributes.spatial_scale), ErrorCode::bad_attribute,
                  "spatial_scale is not a finite number");
  context.require_rank(0, 4);
  context.require_rank(1, 2);
  context.require_rank(2, 1);
  const SymShape* x = context.shape(0);
  const SymShape* rois = context.shape(1);
  const SymShape* images = context.shape(2);
  Dim count = context.fresh_dim();
  if (images != nullptr) count = (*images)[0];
  if (rois != nullptr) {
    context.require_equal((*rois)[1], Dim(4), "numbers of a region and 4");
    count = images != nullptr ? context.require_equal((*rois)[0], count,
                                                      "numbers of regions and of image indices")
                              : (*rois)[0];
  }
  context.set_output(0, context.dtype(0),
                     {count, x != nullptr ? (*x)[1] : context.fresh_dim(), Dim(attributes.height),
                      Dim(attributes.width)});
}

// A sample along one axis: two neighbours and their weights.
template <class C>
struct Sample {
  std::int64_t low, high;
  C low_weight, high_weight;
};

// The samples of one axis of one region.
template <class C>
class AxisSamples {
 public:
  AxisSamples(C first, C last, const RoiAlignAttributes& attributes, std::int64_t bins,
              std::int64_t image)
      : image_(image) {
    const bool shifted = attributes.coordinates == RoiAlignCoordinates::half_pixel;
    const auto scale = static_cast<C>(attributes.spatial_scale);
    const C offset = shifted ? C(0.5) : C(0);
    start_ = first * scale - offset;
    C size = last * scale - offset - start_;
    if (!shifted) size = std::max(size, C(1));
    bin_ = size / static_cast<C>(bins);
    grid_ =
        attributes.sampling_ratio > 0 ? static_cast<C>(attributes.sampling_ratio) : std::ceil(bin_);
    if (!(grid_ > 0)) grid_ = 0;  // a reversed region, or NaN
  }

  C grid() const { return grid_; }

  // Those of a bin that are not outside.
  void of_bin(std::int64_t bin, std::vector<Sample<C>>& out) const {
    out.clear();
    if (image_ == 0) return;
    const C base = start_ + static_cast<C>(bin) * bin_;
    const C limit = static_cast<C>(image_);
    // Without sampling_ratio only samples near the image are visited: a region may be of any size.
    double first = 0, last = static_cast<double>(grid_);
    const double step = static_cast<double>(bin_) / last;
    if (step > 0) {
      first = std::max(first, std::floor((-1 - static_cast<double>(base)) / step) - 2);
      last = std::min(last, std::ceil((static_cast<double>(image_ - base)) / step) + 2);
    }
    constexpr double kCountable = 0x1p52;  // beyond, adding 1 to a double may do nothing
    if (!(first < kCountable) || !(last < kCountable)) return;
    for (double i = first; i < last; ++i) {
      C at = base + (static_cast<C>(i) + C(0.5)) * bin_ / grid_;
      if (!(at >= -1 && at <= limit)) continue;
      at = std::max(at, C(0));
      const auto low = static_cast<std::int64_t>(at);
      if (low >= image_ - 1) {
        out.push_back({image_ - 1, image_ - 1, C(1), C(0)});
      } else {
        const C part = at - static_cast<C>(low);
        out.push_back({low, low + 1, 1 - part, part});
      }
    }
  }

 private:
  std::int64_t image_;
  C start_, bin_, grid_;
};

template <class C>
using Samples = std::vector<Sample<C>>;

template <class C>
C average(const C* plane, std::int64_t width, const Samples<C>& rows, const Samples<C>& columns,
          C count) {
  C sum = 0;
  for (const Sample<C>& h : rows) {
    const C* low = plane + h.low * width;
    const C* high = plane + h.high * width;
    for (const Sample<C>& w : columns) {
      sum += h.low_weight * (w.low_weight * low[w.low] + w.high_weight * low[w.high]) +
             h.high_weight * (w.low_weight * high[w.low] + w.high_weight * high[w.high]);
    }
  }
  return sum / std::max(count, C(1));
}

template <class C>
C largest(const C* plane, std::int64_t width, const Samples<C>& rows, const Samples<C>& columns,
          C count) {
  bool any = static_cast<C>(rows.size()) * static_cast<C>(columns.size()) < count;
  C best = 0;  // of a sample that is outside
  const auto consider = [&](C value) {
    if (!any || value > best || value != value) best = value;
    any = true;
  };
  for (const Sample<C>& h : rows) {
    const C* low = plane + h.low * width;
    const C* high = plane + h.high * width;
    for (const Sample<C>& w : columns) {
      consider(h.low_weight * w.low_weight * low[w.low]);
      consider(h.low_weight * w.high_weight * low[w.high]);
      consider(h.high_weight * w.low_weight * high[w.low]);
      consider(h.high_weight * w.high_weight * high[w.high]);
    }
  }
  return best;
}

template <class C>
void align(const KernelContext& context, const Tensor& x, Tensor& y) {
  const auto& attributes = context.attributes<RoiAlignAttributes>();
  std::vector<C> x_copy, roi_copy;
  const C* in = load_all<C>(x, x_copy);
  const C* rois = load_all<C>(context.input(1), roi_copy);
  const auto images = context.input(2).values<std::int64_t>();
  const std::int64_t channels = x.dim(1), height = x.dim(2), width = x.dim(3);
  const std::int64_t bins = attributes.height * attributes.width;
  const auto reduce = attributes.mode == RoiAlignMode::avg ? average<C> : largest<C>;
  parallel_for(y.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
    Samples<C> rows, columns;
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t image = images[static_cast<std::size_t>(r)];
      if (image < 0 || image >= x.dim(0)) {
        context.fail("region " + std::to_string(r) + " is of image " + std::to_string(image),
                     "x has " + std::to_string(x.dim(0)) + " images");
      }
      const C* roi = rois + r * 4;
      const AxisSamples<C> across(roi[0], roi[2], attributes, attributes.width, width);
      const AxisSamples<C> down(roi[1], roi[3], attributes, attributes.height, height);
      const C count = across.grid() * down.grid();
      for (std::int64_t bin = 0; bin < bins; ++bin) {
        context.check_deadline();
        down.of_bin(bin / attributes.width, rows);
        across.of_bin(bin % attributes.width, columns);
        for (std::int64_t c = 0; c < channels; ++c) {
          const C* plane = in + (image * channels + c) * height * width;
          const C result = reduce(plane, width, rows, columns, count);
          store_chunk<C>(y, (r * channels + c) * bins + bin, 1, &result);
        }
      }
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  if (x.dtype() == DType::f64) {
    align<double>(context, x, y);
  } else {
    align<float>(context, x, y);
  }
}

}  // namespace

const OpDef& op_roi_align() {
  static const OpDef def{
      .name = "roi_align",
      .summary =
          "the average or maximum of bilinear samples in each bin of each region, per channel",
      .limits = "a sampling_ratio of at most 1024",
      .attributes = &attribute_schema<RoiAlignAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "rois", .types = kFloats, .same_as = 'T'},
                 {.name = "images", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

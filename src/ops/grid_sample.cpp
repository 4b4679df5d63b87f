// SPDX-License-Identifier: Apache-2.0
// x sampled at positions that a grid gives in [-1, 1] per axis, the innermost axis first. A
// position outside of x is first moved by the padding mode, then the neighbours that lie outside of
// x are. Cubics have coefficient -0.75 (R. G. Keys, 1981). Positions and sums are in float; where
// grid or x is f64, or x has wide integers, in double. A position that is NaN or infinite is far
// outside with zeros, and the first element otherwise. Interpolated integers are cut towards zero.
#include "ops/grid_sample.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

constexpr std::size_t kMaxAxes = 5;  // up to 4^5 neighbours of a position

void infer(InferContext& context) {
  const auto& attributes = context.attributes<GridSampleAttributes>();
  const DType dtype = context.dtype(0);
  context.require(attributes.mode == GridSampleMode::nearest || kNumbers.contains(dtype),
                  ErrorCode::bad_type,
                  "elements of type " + std::string(to_string(dtype)) +
                      " are not interpolated; mode nearest takes every type");
  const SymShape* x = context.shape(0);
  const SymShape* grid = context.shape(1);
  const SymShape* known = x != nullptr ? x : grid;
  if (known == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const std::size_t rank = known->size();
  context.require(rank >= 3 && rank <= kMaxAxes + 2, ErrorCode::bad_shape,
                  "takes 1 to " + std::to_string(kMaxAxes) +
                      " spatial axes after batch and channels, but rank is " +
                      std::to_string(rank));
  context.require_rank(0, static_cast<std::int64_t>(rank));
  context.require_rank(1, static_cast<std::int64_t>(rank));
  SymShape y = context.fresh_shape(rank);
  if (x != nullptr) y[0] = (*x)[0], y[1] = (*x)[1];
  if (grid != nullptr) {
    y[0] = x != nullptr ? context.require_equal((*x)[0], (*grid)[0], "batches of x and of the grid")
                        : (*grid)[0];
    for (std::size_t a = 2; a < rank; ++a) y[a] = (*grid)[a - 1];
    context.require_equal(grid->back(), Dim(static_cast<std::int64_t>(rank - 2)),
                          "numbers of a position and spatial axes of x");
  }
  context.set_output(0, dtype, std::move(y));
}

// Where an index or position that is outside of [lowest, highest] comes back in.
template <class G>
G reflected(G at, G lowest, G highest) {
  const G range = highest - lowest;
  if (!(range > 0)) return lowest;
  const G distance = at < lowest ? lowest - at : at - highest;
  const G twice = std::fmod(distance, 2 * range);
  const G from_border = twice < range ? twice : 2 * range - twice;
  return at < lowest ? lowest + from_border : highest - from_border;
}

// Neighbours of a position along one axis. Index -1: outside, which counts as 0.
template <class G>
struct Neighbours {
  std::int64_t count = 0;
  std::array<std::int64_t, 4> index{};
  std::array<G, 4> weight{};
};

template <class G>
class Axis {
 public:
  Axis(const GridSampleAttributes& attributes, std::int64_t size)
      : attributes_(attributes),
        size_(size),
        lowest_(attributes.align_corners ? G(0) : G(-0.5)),
        highest_(attributes.align_corners ? static_cast<G>(size - 1)
                                          : static_cast<G>(size) - G(0.5)) {}

  void find(G normalized, Neighbours<G>& out) const {
    const auto size = static_cast<G>(size_);
    G at = attributes_.align_corners ? (normalized + 1) / 2 * (size - 1)
                                     : ((normalized + 1) * size - 1) / 2;
    if (attributes_.mode == GridSampleMode::nearest) at = std::nearbyint(at);
    const bool zeros = attributes_.padding == GridSamplePadding::zeros;
    if (!std::isfinite(at)) at = zeros ? -10 : 0;
    if (at < lowest_ || at > highest_) {
      if (attributes_.padding == GridSamplePadding::border) {
        at = std::clamp(at, G(0), size - 1);
      } else if (attributes_.padding == GridSamplePadding::reflection) {
        at = reflected(at, lowest_, highest_);
      } else {
        at = std::clamp(at, G(-10), size + 10);  // no neighbour is inside
      }
    }
    if (attributes_.mode == GridSampleMode::nearest) {
      out.count = 1;
      out.index[0] = inside(at);
      out.weight[0] = 1;
      return;
    }
    const G below = std::floor(at), t = at - below;
    const bool cubic = attributes_.mode == GridSampleMode::cubic;
    out.count = cubic ? 4 : 2;
    if (cubic) {
      constexpr G a = G(-0.75);
      const auto near = [&](G d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
      const auto far = [&](G d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
      out.weight = {far(t + 1), near(t), near(1 - t), far(2 - t)};
    } else {
      out.weight = {1 - t, t};
    }
    for (std::int64_t k = 0; k < out.count; ++k) {
      out.index[static_cast<std::size_t>(k)] = inside(below + static_cast<G>(cubic ? k - 1 : k));
    }
  }

 private:
  // The element that whole number `at` stands for.
  std::int64_t inside(G at) const {
    if (at >= 0 && at < static_cast<G>(size_)) return static_cast<std::int64_t>(at);
    if (attributes_.padding == GridSamplePadding::zeros) return -1;
    if (attributes_.padding == GridSamplePadding::reflection) at = reflected(at, lowest_, highest_);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(at), 0, size_ - 1);
  }

  const GridSampleAttributes& attributes_;
  std::int64_t size_;
  G lowest_, highest_;  // of what is inside
};

// All neighbours of a position: offsets in the plane and products of the weights.
template <class G>
struct Taps {
  std::vector<std::int64_t> offset;
  std::vector<G> weight;
};

template <class G>
class Sampler {
 public:
  Sampler(const KernelContext& context, const GridSampleAttributes& attributes)
      : grid_(context.input(1)) {
    const Shape& shape = context.input(0).shape();
    for (std::size_t a = 2; a < shape.size(); ++a) axes_.emplace_back(attributes, shape[a]);
    strides_ = contiguous_strides({shape.begin() + 2, shape.end()});
  }

  // Of position p of the flattened grid. `spare` is memory to work in.
  void find(std::int64_t p, Taps<G>& out, Taps<G>& spare) const {
    out.offset.assign(1, 0);
    out.weight.assign(1, 1);
    Neighbours<G> found;
    const auto axes = static_cast<std::int64_t>(axes_.size());
    for (std::int64_t a = 0; a < axes; ++a) {
      const std::int64_t at = p * axes + axes - 1 - a;
      const auto place = static_cast<std::size_t>(a);
      axes_[place].find(static_cast<G>(load_as_double(grid_.dtype(), grid_.data(), at)), found);
      spare.offset.clear();
      spare.weight.clear();
      for (std::size_t i = 0; i < out.offset.size(); ++i) {
        for (std::size_t k = 0; k < static_cast<std::size_t>(found.count); ++k) {
          if (found.index[k] < 0) continue;
          spare.offset.push_back(out.offset[i] + found.index[k] * strides_[place]);
          spare.weight.push_back(out.weight[i] * found.weight[k]);
        }
      }
      std::swap(out, spare);
    }
  }

 private:
  const Tensor& grid_;
  std::vector<Axis<G>> axes_;
  Shape strides_;
};

// body(channel's plane in x, element of y, taps) for every element of y.
template <class G, class F>
void for_each_sample(const KernelContext& context, const Tensor& x, const Tensor& y, F&& body) {
  const Sampler<G> sampler(context, context.attributes<GridSampleAttributes>());
  const std::int64_t channels = y.dim(1), positions = y.size() / y.dim(0) / channels;
  const std::int64_t plane = x.size() / x.dim(0) / channels;
  parallel_for(y.dim(0) * positions, 1 + 4096 / channels,
               [&](std::int64_t begin, std::int64_t end) {
                 Taps<G> taps, spare;
                 for (std::int64_t p = begin; p < end; ++p) {
                   sampler.find(p, taps, spare);
                   const std::int64_t image = p / positions;
                   for (std::int64_t c = image * channels; c < (image + 1) * channels; ++c) {
                     body(c * plane, c * positions + p % positions, taps);
                   }
                 }
               });
}

// Elements are taken over as they are.
void take_nearest(const KernelContext& context, Tensor& y) {
  const Tensor& x = context.input(0);
  const Tensor zero = Tensor::zeros(x.dtype(), {1});
  const auto take = [&]<class G>() {
    for_each_sample<G>(context, x, y,
                       [&](std::int64_t plane, std::int64_t to, const Taps<G>& taps) {
                         if (taps.offset.empty()) {
                           copy_elements(zero, 0, y, to, 1);
                         } else {
                           copy_elements(x, plane + taps.offset[0], y, to, 1);
                         }
                       });
  };
  if (context.input(1).dtype() == DType::f64) {
    take.operator()<double>();
  } else {
    take.operator()<float>();
  }
}

template <class G>
void interpolate(const KernelContext& context, Tensor& y) {
  const Tensor& x = context.input(0);
  std::vector<G> copy;
  const G* in = load_all<G>(x, copy);
  for_each_sample<G>(context, x, y, [&](std::int64_t plane, std::int64_t to, const Taps<G>& taps) {
    G sum = 0;
    for (std::size_t i = 0; i < taps.offset.size(); ++i) {
      sum += taps.weight[i] * in[plane + taps.offset[i]];
    }
    store_from_double(y.dtype(), y.mutable_data(), to, static_cast<double>(sum));
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<GridSampleAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  if (x.size() == 0) {
    if (attributes.padding != GridSamplePadding::zeros) {
      context.fail("x has no elements, and none lies at its border",
                   "x is " + describe(x) + "; padding zeros takes an empty one");
    }
    const Tensor zero = Tensor::zeros(x.dtype(), {1});
    return move_elements(zero, y, {{.size = y.size()}});
  }
  if (attributes.mode == GridSampleMode::nearest) return take_nearest(context, y);
  const bool wide_integers = is_integer(x.dtype()) && bits_of(x.dtype()) >= 32;
  if (x.dtype() == DType::f64 || wide_integers || context.input(1).dtype() == DType::f64) {
    interpolate<double>(context, y);
  } else {
    interpolate<float>(context, y);
  }
}

}  // namespace

const OpDef& op_grid_sample() {
  static constexpr DTypeSet kTypes = kNumbers | kBool | kComplex | DTypeSet{DType::string};
  static const OpDef def{
      .name = "grid_sample",
      .summary =
          "x sampled at the positions of a grid: nearest elements, or linear or cubic "
          "interpolation",
      .limits = "1 to 5 spatial axes; only numbers are interpolated",
      .attributes = &attribute_schema<GridSampleAttributes>(),
      .inputs = {{.name = "x", .types = kTypes, .same_as = 'T'},
                 {.name = "grid", .types = kFloats}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

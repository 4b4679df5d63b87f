// SPDX-License-Identifier: Apache-2.0
// Pooling over one to three spatial axes. Padding never wins a maximum; a window that sees nothing
// but padding is the lowest value (max) or 0. The maximum is NaN if the window holds one.
#include "ops/pool.hpp"

#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

constexpr std::size_t kMaxAxes = 3;

void infer(InferContext& context) {
  const auto& attributes = context.attributes<PoolAttributes>();
  const DType dtype = context.dtype(0);
  const bool is_max = attributes.function == PoolFunction::max;
  context.require(is_max || kFloats.contains(dtype), ErrorCode::bad_type,
                  "only the maximum takes integers, not " + std::string(to_string(dtype)));
  context.require(is_max || context.output_count() < 2, ErrorCode::model_malformed,
                  "only the maximum has indices");
  context.require(attributes.p >= 1, ErrorCode::bad_attribute,
                  "p is " + std::to_string(attributes.p) + "; it must be at least 1");
  const std::size_t axes = attributes.kernel.size();
  context.require(axes >= 1 && axes <= kMaxAxes, ErrorCode::bad_attribute,
                  "kernel has " + std::to_string(axes) + " values; pooling takes 1 to 3 axes");
  const WindowSpec window = attributes.window();
  check_window(context, window, axes);
  context.require_rank(0, static_cast<std::int64_t>(axes + 2));
  SymShape y = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(axes + 2);
  for (std::size_t i = 0; i < axes; ++i) {
    y[i + 2] = window_output(context, window, i, axes, y[i + 2], attributes.kernel[i]);
  }
  context.set_output(0, dtype, y);
  context.set_output(1, DType::i64, std::move(y));
}

using Axes = std::array<WindowAxis, kMaxAxes>;

// Calls visit(offset in the plane, position per axis) for each element the window at `o` sees.
template <class F>
void visit_window(const Axes& axes, const std::array<std::int64_t, kMaxAxes>& o, F&& visit) {
  std::array<std::pair<std::int64_t, std::int64_t>, kMaxAxes> taps;
  for (std::size_t i = 0; i < kMaxAxes; ++i) taps[i] = axes[i].taps(o[i], 0, axes[i].input);
  const auto at = [&](std::size_t i, std::int64_t k) {
    return o[i] * axes[i].stride - axes[i].begin + k * axes[i].dilation;
  };
  for (std::int64_t a = taps[0].first; a < taps[0].second; ++a) {
    for (std::int64_t b = taps[1].first; b < taps[1].second; ++b) {
      const std::int64_t line = (at(0, a) * axes[1].input + at(1, b)) * axes[2].input;
      for (std::int64_t c = taps[2].first; c < taps[2].second; ++c) visit(line + at(2, c));
    }
  }
}

// Elements the window at `o` has inside the input and its padding.
std::int64_t padded_count(const Axes& axes, const std::array<std::int64_t, kMaxAxes>& o) {
  std::int64_t count = 1;
  for (std::size_t i = 0; i < kMaxAxes; ++i) {
    const auto [first, last] = axes[i].taps(o[i], -axes[i].begin, axes[i].input + axes[i].end);
    count *= last - first;
  }
  return count;
}

template <class C>
void pool(const PoolAttributes& attributes, const Axes& axes, const Tensor& x, Tensor& y,
          std::int64_t* indices) {
  std::vector<C> copy;
  const C* in = load_all<C>(x, copy);
  const std::int64_t plane = axes[0].input * axes[1].input * axes[2].input;
  const std::int64_t positions = axes[0].output * axes[1].output * axes[2].output;
  const C lowest = x.dtype() == DType::i8                 ? static_cast<C>(-128)
                   : std::numeric_limits<C>::has_infinity ? -std::numeric_limits<C>::infinity()
                                                          : C(0);
  parallel_for(
      x.dim(0) * x.dim(1) * axes[0].output * axes[1].output, 1 + kChunk / axes[2].output,
      [&](std::int64_t begin, std::int64_t end) {
        std::array<C, kChunk> results;
        for (std::int64_t line = begin; line < end; ++line) {
          const std::int64_t channel = line / (axes[0].output * axes[1].output);
          const C* from = in + channel * plane;
          std::array<std::int64_t, kMaxAxes> o = {line / axes[1].output % axes[0].output,
                                                  line % axes[1].output, 0};
          const std::int64_t row =
              channel * positions + line % (axes[0].output * axes[1].output) * axes[2].output;
          for (std::int64_t first = 0; first < axes[2].output; first += kChunk) {
            const std::int64_t count = std::min(kChunk, axes[2].output - first);
            for (std::int64_t i = 0; i < count; ++i) {
              o[2] = first + i;
              C& result = results[static_cast<std::size_t>(i)];
              if (attributes.function == PoolFunction::max) {
                std::int64_t best = -1;
                visit_window(axes, o, [&](std::int64_t at) {
                  if (best < 0 || from[at] > from[best] ||
                      (from[at] != from[at] && from[best] == from[best])) {
                    best = at;
                  }
                });
                result = best >= 0 ? from[best] : lowest;
                if (indices != nullptr) {
                  if (attributes.column_major && best >= 0) {
                    const std::int64_t depth = best % axes[2].input;
                    const std::int64_t middle = best / axes[2].input % axes[1].input;
                    const std::int64_t outer = best / axes[2].input / axes[1].input;
                    best = outer + axes[0].input * (middle + axes[1].input * depth);
                  }
                  indices[row + first + i] = channel * plane + std::max<std::int64_t>(best, 0);
                }
              } else if (attributes.function == PoolFunction::average) {
                C sum = 0;
                std::int64_t seen = 0;
                visit_window(axes, o, [&](std::int64_t at) { sum += from[at], ++seen; });
                if (attributes.count_include_pad) seen = padded_count(axes, o);
                result = seen > 0 ? sum / static_cast<C>(seen) : C(0);
              } else {
                C sum = 0;
                if constexpr (std::is_floating_point_v<C>) {
                  const auto p = static_cast<C>(attributes.p);
                  visit_window(axes, o,
                               [&](std::int64_t at) { sum += std::pow(std::abs(from[at]), p); });
                  sum = std::pow(sum, 1 / p);
                }
                result = sum;
              }
            }
            store_chunk<C>(y, row + first, count, results.data());
          }
        }
      });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<PoolAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const auto spatial = [](const Tensor& tensor) {
    return std::span<const std::int64_t>(tensor.shape()).subspan(2);
  };
  const auto resolved =
      resolve_window(attributes.window(), spatial(x), spatial(y), attributes.kernel);
  Axes axes;  // missing leading axes have size 1
  std::ranges::copy(resolved, axes.end() - static_cast<std::ptrdiff_t>(resolved.size()));
  std::int64_t* indices =
      context.has_output(1) ? context.output(1).mutable_values<std::int64_t>().data() : nullptr;
  dispatch_compute(compute_kind(x.dtype()),
                   [&]<class C>() { pool<C>(attributes, axes, x, y, indices); });
}

}  // namespace

const OpDef& op_pool() {
  static constexpr DTypeSet kTypes = kFloats | DTypeSet{DType::i8, DType::u8};
  static const OpDef def{
      .name = "pool",
      .summary = "maximum, average or p-norm of each window, per channel",
      .limits = "1 to 3 spatial axes",
      .attributes = &attribute_schema<PoolAttributes>(),
      .inputs = {{.name = "x", .types = kTypes, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'},
                  {.name = "indices", .types = {DType::i64}, .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop

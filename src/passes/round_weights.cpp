// SPDX-License-Identifier: Apache-2.0
#include "passes/round_weights.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/float_types.hpp"
#include "base/parallel.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop {
namespace {

// Sums are kept to this part of the step between numbers as large as the largest of a filter.
constexpr double kEnough = 1.0 / 64;

template <class Half>
double number(Half x) {
  return static_cast<double>(static_cast<float>(x));
}

template <class Half>
Tensor rounded_to(const Tensor& tensor, float lowest) {
  Tensor out = Tensor::allocate(DTypeOf<Half>::value, tensor.shape());
  const std::span<const float> from = tensor.values<float>();
  const std::span<Half> to = out.mutable_values<Half>();
  parallel_for(tensor.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      to[i] = Half(from[i] < lowest && std::isfinite(from[i]) ? lowest : from[i]);
  });
  return out;
}

// The number on the other side of `exact`, which lies between it and `nearest`; `nearest` where
// there is none.
template <class Half>
Half other_side(Half nearest, double exact) {
  const double is = number(nearest);
  if (is == exact || is == 0) return nearest;
  Half out;
  out.bits = static_cast<std::uint16_t>(std::abs(exact) > std::abs(is) ? nearest.bits + 1
                                                                       : nearest.bits - 1);
  return std::isfinite(number(out)) ? out : nearest;
}

// One filter: `depth` elements, `step` apart.
template <class Half>
class Filter {
 public:
  Filter(const float* exact, Half* to, std::int64_t depth, std::int64_t step)
      : exact_(exact), to_(to), depth_(depth), step_(step) {}

  void keep_sum(std::vector<std::pair<double, std::int64_t>>& heap) {
    double error = 0, largest = 0;
    for (std::int64_t i = 0; i < depth_; ++i) {
      error += number(to_[i * step_]) - at(i);
      largest = std::max(largest, std::abs(at(i)));
    }
    if (!std::isfinite(error)) return;
    const Half top(static_cast<float>(largest));
    Half below = top;
    if (top.bits > 0) --below.bits;
    const double enough = kEnough * (number(top) - number(below));
    heap.clear();
    for (std::int64_t i = 0; i < depth_; ++i) {
      const double own = number(to_[i * step_]) - at(i);
      if (own * error <= 0) continue;  // a step to the other side makes the sum worse
      const double then = number(other_side(to_[i * step_], at(i))) - at(i);
      heap.emplace_back(std::abs(then) - std::abs(own), i);
    }
    const auto later = std::greater<>();
    std::ranges::make_heap(heap, later);
    while (!heap.empty() && std::abs(error) > enough) {
      std::ranges::pop_heap(heap, later);
      Half& element = to_[heap.back().second * step_];
      const Half other = other_side(element, at(heap.back().second));
      const double then = error + number(other) - number(element);
      heap.pop_back();
      if (std::abs(then) >= std::abs(error)) continue;
      error = then;
      element = other;
    }
  }

 private:
  double at(std::int64_t i) const { return static_cast<double>(exact_[i * step_]); }

  const float* exact_;
  Half* to_;
  std::int64_t depth_, step_;
};

template <class Half>
void keep_sums(const Tensor& tensor, Tensor& out, const Sums& sums) {
  const float* from = tensor.values<float>().data();
  Half* to = out.mutable_values<Half>().data();
  parallel_for(sums.outer * sums.inner, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::pair<double, std::int64_t>> heap;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i / sums.inner * sums.depth * sums.inner + i % sums.inner;
      Filter<Half>(from + first, to + first, sums.depth, sums.inner).keep_sum(heap);
    }
  });
}

}  // namespace

Tensor rounded(const Tensor& tensor, DType half, float lowest) {
  return half == DType::f16 ? rounded_to<float16>(tensor, lowest)
                            : rounded_to<bfloat16>(tensor, lowest);
}

Sums sums_over(const Graph& graph, const Node& node, std::size_t i) {
  if (i > 1 || !graph.value(node.inputs[i]).is_constant()) return {};
  const Shape& shape = graph.value(node.inputs[i]).constant.shape();
  const std::int64_t size = graph.value(node.inputs[i]).constant.size();
  if (shape.empty() || size == 0) return {};
  Sums out;
  if (node.is(op_conv()) && i == 1) {
    out = {shape[0], size / shape[0], 1};
  } else if (node.is(op_conv_transpose()) && i == 1) {
    const std::int64_t groups = node.as<ConvTransposeAttributes>().group;
    out = {groups, shape[0] / groups, size / shape[0]};
  } else if (node.is(op_matmul()) || node.is(op_gemm())) {
    const bool is_b = i == 1;
    const bool transposed = node.is(op_gemm()) && (is_b ? node.as<GemmAttributes>().trans_b
                                                        : node.as<GemmAttributes>().trans_a);
    const std::int64_t last = shape.back();
    const bool down = shape.size() > 1 && is_b != transposed;  // else along rows
    const std::int64_t rows = down ? shape[shape.size() - 2] : 1;
    out = down ? Sums{size / rows / last, rows, last} : Sums{size / last, last, 1};
  }
  return out.depth == 1 ? Sums{} : out;
}

Tensor rounded_with_sums(const Tensor& tensor, DType half, const Sums& sums) {
  Tensor out = rounded(tensor, half, std::numeric_limits<float>::lowest());
  if (sums.depth == 1) return out;
  half == DType::f16 ? keep_sums<float16>(tensor, out, sums)
                     : keep_sums<bfloat16>(tensor, out, sums);
  return out;
}

}  // namespace strop

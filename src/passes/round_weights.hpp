// SPDX-License-Identifier: Apache-2.0
// Constants in f16 or bf16.
#pragma once

#include <compare>
#include <cstdint>

#include "base/tensor.hpp"
#include "ir/graph.hpp"

namespace strop {

// Every element to nearest even; finite ones below `lowest` become `lowest`.
Tensor rounded(const Tensor& tensor, DType half, float lowest);

// A tensor as [outer, depth, inner], of which a product sums the elements along `depth`.
struct Sums {
  std::int64_t outer = 1, depth = 1, inner = 1;

  friend auto operator<=>(const Sums&, const Sums&) = default;
};

// What the node sums input i over, where that is a constant that it multiplies its input by;
// `depth` is 1 where there is no such thing.
Sums sums_over(const Graph& graph, const Node& node, std::size_t i);

// As rounded(), but of the elements along `depth` those nearest to the middle between two numbers
// go to the other one, until their sum is that of the tensor. What multiplies them has a mean as a
// rule, behind a function that is never negative a large one, and the errors of a product from
// that are the mean times the error of the sum.
Tensor rounded_with_sums(const Tensor& tensor, DType half, const Sums& sums);

}  // namespace strop

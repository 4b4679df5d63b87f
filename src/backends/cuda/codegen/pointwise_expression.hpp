// SPDX-License-Identifier: Apache-2.0
// One pointwise node as an expression for one element, in the compute types of scalar_source.hpp.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "ir/graph.hpp"

namespace strop::cuda {

// unary, binary, clip, select, cast and dequantize_linear.
bool is_expression(const Node& node);

// `operands`: one expression of its own compute type per input, empty where that is absent. Empty,
// and why, where there are no kernels for it. `constant_of` gives the tensor of a constant value.
std::string pointwise_expression(const Node& node, const Graph& graph,
                                 std::span<const std::string> operands,
                                 const std::function<const Tensor*(ValueId)>& constant_of,
                                 std::string& refusal);

}  // namespace strop::cuda

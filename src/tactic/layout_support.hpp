// SPDX-License-Identifier: Apache-2.0
// Operators that run on tensors in any layout, as long as all of their operands have the same.
#pragma once

#include <vector>

#include "tactic/tactic.hpp"

namespace strop {

// Everything plain, and everything channels last where the output has three axes or more. Inputs
// from `operands` on are parameters, which stay plain.
inline std::vector<OperandLayouts> any_layout(const Problem& problem, std::size_t operands) {
  std::vector<OperandLayouts> out(1);
  const auto rank = problem.output_type(0).rank();
  if (rank < 3) return out;
  OperandLayouts last;
  last.outputs.assign(problem.node->outputs.size(), Layout::channels_last);
  for (std::size_t i = 0; i < operands && i < problem.node->inputs.size(); ++i) {
    if (problem.input_type(i).rank() != rank) return out;
    last.inputs.push_back(Layout::channels_last);
  }
  out.push_back(std::move(last));
  return out;
}

// Where an axis of the tensor lies in memory.
inline std::int64_t physical_axis(std::int64_t axis, std::int64_t rank, Layout layout) {
  if (layout == Layout::plain || axis == 0) return axis;
  return axis == 1 ? rank - 1 : axis - 1;
}

}  // namespace strop

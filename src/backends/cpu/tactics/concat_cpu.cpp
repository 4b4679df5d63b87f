// SPDX-License-Identifier: Apache-2.0
// Tensors joined along an axis, in any layout.
#include "backends/cpu/parameters.hpp"
#include "ops/concat.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_concat_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  const Type& y = problem.output_type(0);
  if (y.dtype == DType::string || bits_of(y.dtype) < 8)
    return Acceptance::refuse("its elements are not whole bytes");
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.input_type(i).rank() != y.rank())
      return Acceptance::refuse("its inputs differ in rank");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, problem.node->inputs.size());
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const std::int64_t rank = problem.output_type(0).rank();
  const std::int64_t axis = normalize_axis(problem.attributes<ConcatAttributes>().axis, rank);
  Parameters parameters;
  parameters.set("axis", physical_axis(axis, rank, problem.layouts.output(0)));
  return {"concat", parameters.text()};
}

}  // namespace

const Tactic& tactic_concat_cpu() {
  static const Tactic tactic{.name = "concat_cpu",
                             .backend = "cpu",
                             .ops = {op_concat},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Casts between f32 and bf16, in any layout.
#include "ops/cast.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_cast_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_cast())) return Acceptance::refuse({});
  const DType from = problem.input_type(0).dtype, to = problem.output_type(0).dtype;
  if (!(from == DType::f32 && to == DType::bf16) && !(from == DType::bf16 && to == DType::f32))
    return Acceptance::refuse("it goes between f32 and bf16");
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem&, std::string_view) { return {"cast", ""}; }

}  // namespace

const Tactic& tactic_cast_cpu() {
  static const Tactic tactic{.name = "cast_cpu",
                             .backend = "cpu",
                             .ops = {op_cast},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

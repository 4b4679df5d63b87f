// SPDX-License-Identifier: Apache-2.0
// Softmax over any axis, f32, in any layout.
#include "backends/cpu/parameters.hpp"
#include "ops/softmax.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_softmax_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_softmax())) return Acceptance::refuse({});
  const Type& x = problem.input_type(0);
  if (x.dtype != DType::f32)
    return Acceptance::refuse("input 0 is " + x.to_string() + ", this tactic is for f32");
  if (!x.shape || x.rank() < 1) return Acceptance::refuse("the rank of its input is not known");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& softmax = problem.attributes<SoftmaxAttributes>();
  const std::int64_t rank = problem.output_type(0).rank();
  Parameters parameters;
  parameters.set("log", std::int64_t{softmax.log});
  parameters.set(
      "axis", physical_axis(normalize_axis(softmax.axis, rank), rank, problem.layouts.output(0)));
  return {"softmax_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_softmax_cpu() {
  static const Tactic tactic{.name = "softmax_cpu",
                             .backend = "cpu",
                             .ops = {op_softmax},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Softmax over one axis, f32.
#include "backends/cpu/parameters.hpp"
#include "ops/softmax.hpp"
#include "tactic/tactic.hpp"

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

KernelChoice lower(const Problem& problem, std::string_view) {
  Parameters parameters;
  parameters.set("axis", normalize_axis(problem.attributes<SoftmaxAttributes>().axis,
                                        problem.input_type(0).rank()));
  parameters.set("log", std::int64_t{problem.attributes<SoftmaxAttributes>().log});
  return {"softmax_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_softmax_cpu() {
  static const Tactic tactic{.name = "softmax_cpu",
                             .backend = "cpu",
                             .ops = {op_softmax},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

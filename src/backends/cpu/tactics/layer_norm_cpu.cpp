// SPDX-License-Identifier: Apache-2.0
// Layer and root-mean-square normalisation, f32, without the statistics as further outputs.
#include "backends/cpu/parameters.hpp"
#include "ops/layer_norm.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {
const Tactic& tactic_layer_norm_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  if (!problem.is(op_layer_norm())) return Acceptance::refuse({});
  const Type& x = problem.input_type(0);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
  }
  if (problem.node->outputs.size() > 1) return Acceptance::refuse("its statistics are wanted");
  if (!x.shape || x.rank() < 1) return Acceptance::refuse("the rank of its input is not known");
  const std::int64_t axis =
      normalize_axis(problem.attributes<LayerNormAttributes>().axis, x.rank());
  const SymShape row(x.shape->begin() + axis, x.shape->end());
  for (std::size_t i = 1; i < problem.node->inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    const Type& type = problem.input_type(i);
    if (!type.shape || !(product(*type.shape) == product(row)))
      return Acceptance::refuse("its scale or bias is broadcast");
  }
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& attributes = problem.attributes<LayerNormAttributes>();
  Parameters parameters;
  parameters.set("axis", normalize_axis(attributes.axis, problem.input_type(0).rank()));
  parameters.set("epsilon", attributes.epsilon);
  parameters.set("centred", std::int64_t{attributes.centred});
  return {"layer_norm_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_layer_norm_cpu() {
  static const Tactic tactic{.name = "layer_norm_cpu",
                             .backend = "cpu",
                             .ops = {op_layer_norm},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

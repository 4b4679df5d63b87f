// SPDX-License-Identifier: Apache-2.0
// Pointwise operators, single or as a fused chain, over f32 in one pass through memory.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "ops/binary.hpp"
#include "ops/clip.hpp"
#include "ops/unary.hpp"

namespace strop::cpu {
const Tactic& tactic_pointwise_cpu();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_chain(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
  }
  if (problem.output_type(0).dtype != DType::f32)
    return Acceptance::refuse("the output is not f32");
  for (const EpilogueStep& step : view->epilogue) {
    if (find_run_function(step) == nullptr)
      return Acceptance::refuse("there is no kernel for " + step.function);
  }
  return Acceptance::accept();
}

// As it lies, or everything channels last.
std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out(1);
  std::string refusal;
  const auto view = view_as_chain(problem, refusal);
  if (problem.output_type(0).rank() < 3 || !runs_take(problem, view->epilogue, refusal)) return out;
  const Type& start = problem.input_type(static_cast<std::size_t>(view->input(0)));
  if (start.rank() != problem.output_type(0).rank()) return out;
  OperandLayouts last;
  last.outputs = {Layout::channels_last};
  last.inputs.assign(problem.node->inputs.size(), Layout::plain);
  last.inputs[static_cast<std::size_t>(view->input(0))] = Layout::channels_last;
  for (const EpilogueStep& step : view->epilogue) {
    if (step.kind == EpilogueStep::binary) last.inputs[step.input] = Layout::channels_last;
  }
  out.push_back(std::move(last));
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = view_as_chain(problem, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  Parameters parameters;
  parameters.set("start", view->input(0));
  parameters.set("program", to_text(view->epilogue));
  return {"pointwise", parameters.text()};
}

}  // namespace

const Tactic& tactic_pointwise_cpu() {
  static const Tactic tactic{.name = "pointwise_cpu",
                             .backend = "cpu",
                             .ops = {op_unary, op_binary, op_clip},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// requantize without a product before it: sums of two quantised tensors, means.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/tactics/quantized_support.hpp"
#include "ops/requantize.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cpu {
const Tactic& tactic_requantize_cpu();
namespace {

bool is_single(const Problem& problem) {
  return problem.constant(1)->size() == 1 && problem.constant(2)->size() == 1;
}

Acceptance accepts(const Problem& problem) {
  if (problem.constant(1) == nullptr || problem.constant(2) == nullptr)
    return Acceptance::refuse("its factors are not constant");
  if (problem.input_type(0).dtype == DType::i32 &&
      problem.attributes<RequantizeAttributes>().x_zero != 0) {
    return Acceptance::refuse("its sums have a zero point");
  }
  const std::int64_t rank = problem.output_type(0).rank();
  if (!is_single(problem) && rank < 1) return Acceptance::refuse("its factors have no axis");
  if (!is_single(problem)) {
    const std::int64_t axis = normalize_axis(problem.attributes<RequantizeAttributes>().axis, rank);
    if (axis != rank - 1 && (axis != 1 || rank < 3))
      return Acceptance::refuse("its factors differ along another axis than the channels");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::vector<OperandLayouts> out = any_layout(problem, 1);
  for (OperandLayouts& each : out) {
    if (each.is_plain() || !problem.has_input(3)) continue;
    each.inputs = {each.input(0), Layout::plain, Layout::plain, Layout::channels_last};
  }
  if (is_single(problem)) return out;
  // The factors' axis lies innermost.
  const std::int64_t rank = problem.output_type(0).rank();
  const std::int64_t axis = normalize_axis(problem.attributes<RequantizeAttributes>().axis, rank);
  std::erase_if(out, [&](const OperandLayouts& each) {
    return physical_axis(axis, rank, each.output(0)) != rank - 1;
  });
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const auto& attributes = problem.attributes<RequantizeAttributes>();
  Parameters parameters;
  parameters.set("x_zero", attributes.x_zero);
  set_requantize(attributes, 1, 2, problem.has_input(3) ? 3 : -1, parameters);
  return {"requantize", parameters.text()};
}

}  // namespace

const Tactic& tactic_requantize_cpu() {
  static const Tactic tactic{.name = "requantize_cpu",
                             .backend = "cpu",
                             .ops = {op_requantize},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

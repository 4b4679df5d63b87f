// SPDX-License-Identifier: Apache-2.0
// Convolution with bias and epilogue by own kernels over tensors whose channels lie innermost.
#include <array>

#include "backends/cpu/parameters.hpp"
#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/anchor_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_cpu();
namespace {

constexpr std::int64_t kMostTaps = 512;  // of a window, all axes

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  if (!view) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && problem.input_type(i).dtype != DType::f32) {
      return Acceptance::refuse("input " + std::to_string(i) + " is " +
                                std::string(to_string(problem.input_type(i).dtype)) +
                                ", this tactic is for f32");
    }
  }
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view->input(0))).rank();
  if (rank < 3 || rank > 4) return Acceptance::refuse("it takes 1-D and 2-D convolutions");
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  if (w == nullptr) return Acceptance::refuse("its weights are not constant");
  if (w->size() == 0) return Acceptance::refuse("there is nothing to sum over");
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return Acceptance::refuse("its window has too many elements");
  if (!runs_take(problem, view->epilogue, refusal)) return Acceptance::refuse(refusal);
  return Acceptance::accept();
}

// Activations channels last; operands of the epilogue alike.
std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  OperandLayouts out;
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[static_cast<std::size_t>(view->input(0))] = Layout::channels_last;
  for (const EpilogueStep& step : view->epilogue) {
    if (step.kind == EpilogueStep::binary) out.inputs[step.input] = Layout::channels_last;
  }
  return {out};
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = view_as(problem, op_conv(), refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto& conv = view->anchor->as<ConvAttributes>();
  const auto rank =
      static_cast<std::size_t>(problem.input_type(static_cast<std::size_t>(view->input(0))).rank());
  Parameters parameters;
  parameters.set("inputs",
                 std::vector<std::int64_t>{view->input(0), view->input(1), view->input(2)});
  set_window(conv, rank - 2, parameters);
  parameters.set("auto_pad", enum_names(conv.auto_pad)[static_cast<std::size_t>(conv.auto_pad)]);
  parameters.set("group", conv.group);
  parameters.set("epilogue", to_text(view->epilogue));
  return {"conv_f32", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_cpu() {
  static const Tactic tactic{.name = "conv_cpu",
                             .backend = "cpu",
                             .ops = {op_conv},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Convolution of operands rounded to bf16, with bias and epilogue, by own kernels over tensors whose
// channels lie innermost.
#include "backends/cpu/parameters.hpp"
#include "backends/cpu/pointwise_functions.hpp"
#include "backends/cpu/tactics/narrow_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/cast.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_cpu_bf16();
namespace {

constexpr std::int64_t kMostTaps = 512;  // of a window, all axes

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  auto view = view_as(problem, op_conv(), refusal);
  if (!view) return Acceptance::refuse(refusal);
  if (std::string why = not_bf16(problem, *view, view->input(2)); !why.empty())
    return Acceptance::refuse(std::move(why));
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view->input(0))).rank();
  if (rank < 3 || rank > 4) return Acceptance::refuse("it takes 1-D and 2-D convolutions");
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  if (w == nullptr) return Acceptance::refuse("its weights are not constant");
  if (w->size() == 0) return Acceptance::refuse("there is nothing to sum over");
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return Acceptance::refuse("its window has too many elements");
  take_narrow_residual(problem, view->epilogue);
  if (!runs_take(problem, view->epilogue, refusal)) return Acceptance::refuse(refusal);
  return Acceptance::accept();
}

// Activations channels last; residual and operands of the epilogue alike.
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
  auto view = view_as(problem, op_conv(), refusal);
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
  parameters.set("residual", take_narrow_residual(problem, view->epilogue));
  parameters.set("epilogue", to_text(view->epilogue));
  return {"conv_bf16", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_cpu_bf16() {
  static const Tactic tactic{.name = "conv_cpu_bf16",
                             .backend = "cpu",
                             .ops = {op_cast},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

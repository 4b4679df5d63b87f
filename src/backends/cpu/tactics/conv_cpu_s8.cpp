// SPDX-License-Identifier: Apache-2.0
// Exact integer convolution of bytes, requantised or not, by own kernels over tensors whose
// channels lie innermost.
#include "backends/cpu/tactics/quantized_support.hpp"
#include "backends/cpu/tactics/window_support.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_cpu_s8();
namespace {

constexpr std::int64_t kMostTaps = 512;  // of a window, all axes

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = read_quantized(problem, op_conv_integer(), 1, refusal);
  if (!view) return Acceptance::refuse(refusal);
  const std::int64_t rank = problem.input_type(static_cast<std::size_t>(view->x)).rank();
  if (rank < 3 || rank > 4) return Acceptance::refuse("it takes 1-D and 2-D convolutions");
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->w));
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return Acceptance::refuse("its window has too many elements");
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = read_quantized(problem, op_conv_integer(), 1, refusal);
  OperandLayouts out;
  out.outputs = {Layout::channels_last};
  out.inputs.assign(problem.node->inputs.size(), Layout::plain);
  out.inputs[static_cast<std::size_t>(view->x)] = Layout::channels_last;
  for (const EpilogueStep& step : view->epilogue) {
    if (step.kind == EpilogueStep::binary) out.inputs[step.input] = Layout::channels_last;
  }
  if (view->residual >= 0)
    out.inputs[static_cast<std::size_t>(view->residual)] = Layout::channels_last;
  return {out};
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = read_quantized(problem, op_conv_integer(), 1, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto& conv = view->anchor->as<ConvAttributes>();
  const auto rank =
      static_cast<std::size_t>(problem.input_type(static_cast<std::size_t>(view->x)).rank());
  Parameters parameters;
  parameters.set("inputs", std::vector<std::int64_t>{view->x, view->w, -1});
  set_window(conv, rank - 2, parameters);
  parameters.set("auto_pad", enum_names(conv.auto_pad)[static_cast<std::size_t>(conv.auto_pad)]);
  parameters.set("group", conv.group);
  set_quantized(*view, parameters);
  return {"conv_s8", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_cpu_s8() {
  static const Tactic tactic{.name = "conv_cpu_s8",
                             .backend = "cpu",
                             .ops = {op_conv_integer},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

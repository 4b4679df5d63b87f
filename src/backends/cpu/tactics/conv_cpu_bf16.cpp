// SPDX-License-Identifier: Apache-2.0
// Convolution of operands rounded to bf16, with bias and epilogue, by own kernels over tensors
// whose channels lie innermost.
#include "backends/cpu/tactics/conv_support.hpp"
#include "backends/cpu/tactics/narrow_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_cpu_bf16();
namespace {

constexpr std::int64_t kMostTaps = 512;  // of a window, all axes

std::optional<AnchorView> read(const Problem& problem, std::string& refusal) {
  if (!begins_with_cast(problem)) return std::nullopt;
  return view_as(problem, op_conv(), refusal, Casts::looked_through);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  auto view = read(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  if (std::string why = not_bf16(problem, *view, view->input(2)); !why.empty())
    return Acceptance::refuse(std::move(why));
  take_narrow_residual(problem, view->epilogue);
  if (!takes_conv(problem, *view, refusal)) return Acceptance::refuse(refusal);
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return Acceptance::refuse("its window has too many elements");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  auto view = read(problem, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const std::int64_t residual = take_narrow_residual(problem, view->epilogue);
  Parameters parameters = conv_parameters(problem, *view);
  parameters.set("residual", residual);
  return {"conv_bf16", parameters.text()};
}

}  // namespace

const Tactic& tactic_conv_cpu_bf16() {
  static const Tactic tactic{.name = "conv_cpu_bf16",
                             .backend = "cpu",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = conv_layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

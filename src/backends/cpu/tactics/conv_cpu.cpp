// SPDX-License-Identifier: Apache-2.0
// Convolution with bias and epilogue by own kernels over tensors whose channels lie innermost.
#include "backends/cpu/tactics/conv_support.hpp"
#include "ops/conv.hpp"

namespace strop::cpu {
const Tactic& tactic_conv_cpu();
namespace {

constexpr std::int64_t kMostTaps = 512;  // of a window, all axes

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_conv_f32(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  const Tensor* w = problem.constant(static_cast<std::size_t>(view->input(1)));
  std::int64_t taps = 1;
  for (std::int64_t axis = 2; axis < w->rank(); ++axis) taps *= w->dim(axis);
  if (taps > kMostTaps) return Acceptance::refuse("its window has too many elements");
  return Acceptance::accept();
}

KernelChoice lower(const Problem& problem, std::string_view) {
  return {"conv_f32", conv_parameters(problem).text()};
}

}  // namespace

const Tactic& tactic_conv_cpu() {
  static const Tactic tactic{.name = "conv_cpu",
                             .backend = "cpu",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = conv_layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cpu

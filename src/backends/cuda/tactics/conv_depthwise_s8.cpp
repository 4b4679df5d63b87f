// SPDX-License-Identifier: Apache-2.0
// Exact depthwise convolution of bytes, channels last; bound by memory.
#include "backends/cuda/codegen/byte_view.hpp"
#include "base/error.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_depthwise_s8();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_as_byte_depthwise(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

// Output pixels of a thread.
std::vector<std::string> configs(const Problem&) { return {"2", "4", "1"}; }

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return byte_conv_layouts(problem);
}

KernelChoice lower(const Problem& problem, std::string_view config) {
  std::string refusal;
  auto view = view_as_byte_depthwise(problem, true, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  LaunchStep step = depthwise_step(view->problem, config == "4" ? 4 : config == "2" ? 2 : 1);
  step.replaced = std::move(view->replaced);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_conv_depthwise_s8() {
  static const Tactic tactic{.name = "conv_depthwise_s8",
                             .backend = "cuda",
                             .ops = {op_conv_integer},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda

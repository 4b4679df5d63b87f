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
  if (view_as_byte_depthwise(problem, {}, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_byte_depthwise(problem, {}, refusal);
  STROP_CHECK(view.has_value(), "configurations of a problem that was accepted");
  std::vector<std::string> out;
  for (const DepthwiseConfig& config : byte_depthwise_configs(view->problem))
    out.push_back(config.name());
  return out;
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return byte_conv_layouts(problem);
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  const auto config = DepthwiseConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  std::string refusal;
  auto view = view_as_byte_depthwise(problem, config, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  LaunchStep step = depthwise_step(view->problem, *config, problem.device->compute_capability);
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

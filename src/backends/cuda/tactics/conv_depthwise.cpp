// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of f32, f16 or bf16 with its epilogue, channels last; bound by memory.
#include "backends/cuda/codegen/gemm_view.hpp"
#include "base/error.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_depthwise();
namespace {

std::optional<GemmView> view_of(const Problem& problem, bool pack, std::string& refusal) {
  const DType type = problem.output_type(0).dtype;
  const bool narrow = type == DType::f16 || type == DType::bf16;
  return view_as_depthwise(problem, narrow ? type : DType::f32, pack, refusal);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_of(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  std::string refusal;
  std::vector<std::string> out;
  for (const DepthwiseConfig& config :
       depthwise_configs(view_of(problem, false, refusal).value().problem))
    out.push_back(config.name());
  return out;
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return gemm_conv_layouts(problem, false);
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  std::string refusal;
  auto view = view_of(problem, true, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto config = DepthwiseConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  LaunchStep step = depthwise_step(view->problem, *config, problem.device->compute_capability);
  step.replaced = std::move(view->replaced);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_conv_depthwise() {
  static const Tactic tactic{.name = "conv_depthwise",
                             .backend = "cuda",
                             .ops = {op_conv},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda

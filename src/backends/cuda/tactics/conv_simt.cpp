// SPDX-License-Identifier: Apache-2.0
// Convolution in exact FP32 with its epilogue, any window, any groups.
#include "backends/cuda/codegen/gemm_view.hpp"
#include "base/error.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_simt();
namespace {

std::optional<GemmView> view_of(const Problem& problem, bool pack, std::string& refusal) {
  return view_as_conv(problem, DType::f32, WeightOrder::k_outer, pack, refusal);
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return gemm_conv_layouts(problem, true);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_of(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

GemmView accepted_view(const Problem& problem, bool pack) {
  std::string refusal;
  auto view = view_of(problem, pack, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  return std::move(*view);
}

std::vector<std::string> configs(const Problem& problem) {
  const int sms = problem.device != nullptr ? problem.device->multiprocessors : 0;
  std::vector<std::string> out;
  for (const GemmConfig& config : simt_configs(accepted_view(problem, false).problem, sms))
    out.push_back(config.name());
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  GemmView view = accepted_view(problem, true);
  const auto config = GemmConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  LaunchStep step = simt_step(view.problem, *config, problem.device->compute_capability);
  step.replaced = std::move(view.replaced);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_conv_simt() {
  static const Tactic tactic{.name = "conv_simt",
                             .backend = "cuda",
                             .ops = {op_conv},
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda

// SPDX-License-Identifier: Apache-2.0
// Convolution of an image of up to four channels, f16 or bf16, with its epilogue, on the tensor
// cores of any chip: from the plain layout in which images come, or channels last, to channels
// last.
#include "backends/cuda/codegen/gemm_view.hpp"
#include "base/error.hpp"
#include "ops/conv.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_stem();
namespace {

std::optional<GemmView> view_of(const Problem& problem, bool pack, std::string& refusal) {
  const DType type = problem.output_type(0).dtype;
  return view_as_stem(problem, type == DType::bf16 ? type : DType::f16, pack, refusal);
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_of(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  std::string refusal;
  std::vector<std::string> out;
  for (const StemConfig& config : stem_configs(view_of(problem, false, refusal).value().problem))
    out.push_back(config.name());
  return out;
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return stem_layouts(problem);
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  std::string refusal;
  auto view = view_of(problem, true, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto config = StemConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  LaunchStep step = stem_step(view->problem, *config, problem.device->compute_capability);
  step.replaced = std::move(view->replaced);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_conv_stem() {
  static const Tactic tactic{.name = "conv_stem",
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

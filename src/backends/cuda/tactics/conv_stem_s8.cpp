// SPDX-License-Identifier: Apache-2.0
// Exact convolution of an image of up to four channels of bytes, requantised, on the tensor cores
// of any chip: from the plain layout in which images come, or channels last, to channels last.
#include "backends/cuda/codegen/byte_view.hpp"
#include "base/error.hpp"
#include "ops/conv_integer.hpp"

namespace strop::cuda {
const Tactic& tactic_conv_stem_s8();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (view_as_byte_stem(problem, false, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  std::string refusal;
  std::vector<std::string> out;
  for (const StemConfig& config :
       stem_configs(view_as_byte_stem(problem, false, refusal).value().problem))
    out.push_back(config.name());
  return out;
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return byte_stem_layouts(problem);
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  std::string refusal;
  auto view = view_as_byte_stem(problem, true, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const auto config = StemConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  LaunchStep step = stem_step(view->problem, *config, problem.device->compute_capability);
  step.replaced = std::move(view->replaced);
  step.constants = std::move(view->constants);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_conv_stem_s8() {
  static const Tactic tactic{.name = "conv_stem_s8",
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

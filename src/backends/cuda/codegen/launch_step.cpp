// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/launch_step.hpp"

#include "backends/cuda/codegen/nvrtc.hpp"
#include "base/error.hpp"

namespace strop::cuda {

std::uint32_t constant_input(const Problem& problem, std::size_t i) {
  return static_cast<std::uint32_t>(problem.node->inputs.size() + i);
}

KernelChoice to_choice(const Problem& problem, LaunchStep step) {
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  KernelChoice out;
  out.kernel = "launch";
  const std::uint32_t first_image = constant_input(problem, step.constants.size());
  for (Launch& launch : step.record.launches) {
    if (launch.entry.empty()) continue;
    STROP_CHECK(launch.image < step.sources.size(), "a launch names a source of its step");
    launch.image += first_image;
  }
  out.parameters = to_text(step.record);
  out.replaced = std::move(step.replaced);
  for (Tensor& constant : step.constants) out.added.push_back({std::move(constant)});
  for (const std::string& source : step.sources) {
    out.added.push_back({compile(source, problem.device->compute_capability).image, true});
  }
  return out;
}

}  // namespace strop::cuda

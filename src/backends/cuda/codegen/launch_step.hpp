// SPDX-License-Identifier: Apache-2.0
// From sources and a launch record to what a tactic lowers to.
#pragma once

#include <string>
#include <vector>

#include "backends/cuda/launch_record.hpp"
#include "tactic/tactic.hpp"

namespace strop::cuda {

// A step that runs `record` with the kernels of `sources`, compiled for the problem's device:
// Launch::image counts these sources. Constants that the kernels read beside the node's inputs are
// in `constants`, as inputs of the step after the node's; `replaced` as in KernelChoice.
struct LaunchStep {
  LaunchRecord record;
  std::vector<std::string> sources;
  std::vector<Tensor> constants{};
  std::map<std::size_t, StepConstant> replaced{};
};

// Number of the step's input that constant i is.
std::uint32_t constant_input(const Problem& problem, std::size_t i);

// Throws what compile throws (nvrtc.hpp).
KernelChoice to_choice(const Problem& problem, LaunchStep step);

}  // namespace strop::cuda

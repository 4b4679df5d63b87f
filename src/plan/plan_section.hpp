// SPDX-License-Identifier: Apache-2.0
// A Plan (and the tensors of a graph) to and from sections `plan` and `weights` of an engine file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.hpp"
#include "plan/plan.hpp"

namespace strop {

struct PlanSections {
  std::string plan;  // FlatBuffer, plan/engine.fbs
  // Contents of `weights`: views of the tensors' own memory and of padding, to be written one after
  // the other. Equal contents stand there once; each starts at a multiple of 64.
  std::vector<std::span<const std::byte>> weights;
};

// The views live as long as the tensors. Equal input gives equal bytes. Throws
// Error(limit_exceeded) for a plan past plan_limits.hpp.
PlanSections write_plan_sections(const Plan& plan, const std::vector<Tensor>& graph_tensors);

struct LoadedPlan {
  Plan plan;
  std::vector<Tensor> graph_tensors;
};

// Takes any bytes; what comes out has passed verify(). `weights` is 64-byte aligned, tensors lie in
// it (nobody may write to them) and `owner` keeps it alive. Throws Error(engine_invalid), and
// Error(limit_exceeded) past plan_limits.hpp.
LoadedPlan read_plan_sections(std::span<const std::byte> plan, std::span<const std::byte> weights,
                              const std::shared_ptr<const void>& owner);

}  // namespace strop

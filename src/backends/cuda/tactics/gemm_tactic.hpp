// SPDX-License-Identifier: Apache-2.0
// The functions of a tactic whose kernels are made for a GemmProblem: implicit GEMM, depthwise
// convolutions, stems. `Family` says what it reads and which kernel it runs:
//   view(problem, pack, refusal), configs(gemm, multiprocessors), step(gemm, config, chip).
#pragma once

#include "backends/cuda/codegen/gemm_view.hpp"
#include "backends/cuda/tactics/wgmma_float_support.hpp"
#include "base/error.hpp"

namespace strop::cuda {

// `Config`: of what `Family` lists, names and makes steps of.
template <class Family, class Config>
struct TiledTactic {
  static Acceptance accepts(const Problem& problem) {
    std::string refusal;
    if (Family::view(problem, false, refusal)) return Acceptance::accept();
    return Acceptance::refuse(refusal);
  }

  static GemmView accepted(const Problem& problem, bool pack) {
    std::string refusal;
    auto view = Family::view(problem, pack, refusal);
    STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
    return std::move(*view);
  }

  static std::vector<std::string> configs(const Problem& problem) {
    const int sms = problem.device != nullptr ? problem.device->multiprocessors : 0;
    std::vector<std::string> out;
    for (const Config& config : Family::configs(accepted(problem, false).problem, sms))
      out.push_back(config.name());
    return out;
  }

  static KernelChoice lower(const Problem& problem, std::string_view name) {
    GemmView view = accepted(problem, true);
    const auto config = Config::parse(name);
    STROP_CHECK(config.has_value(), "a configuration that configs named");
    STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
    LaunchStep step = Family::step(view.problem, *config, problem.device->compute_capability);
    step.replaced = std::move(view.replaced);
    step.constants = std::move(view.constants);
    return to_choice(problem, std::move(step));
  }
};

// Beside that, kTensorCores: whether it is mma.sync.
template <class Family>
struct GemmTactic : TiledTactic<Family, GemmConfig> {
  static double slowdown(const Problem& problem, std::string_view) {
    const GemmProblem p = TiledTactic<Family, GemmConfig>::accepted(problem, false).problem;
    // Groups of few filters leave most of every tile empty.
    const Dim& filters = p.kind == GemmKind::conv_plain ? p.m : p.n;
    if (p.kind != GemmKind::product && !p.batches.is(1) && filters.value() < 16) return 8;
    // Images of few channels are copied element by element.
    if (Family::kTensorCores && p.kind == GemmKind::conv_channels_last && p.window.channels < 8)
      return 8;
    // Hopper's tensor cores reach their speed by wgmma alone.
    const bool hopper = problem.device != nullptr && problem.device->compute_capability / 10 == 9;
    if (!hopper) return 1;
    if (Family::kTensorCores) return 1.7;
    return p.element == DType::f32 && is_split(problem) ? 1.4 : 1;
  }
};

}  // namespace strop::cuda

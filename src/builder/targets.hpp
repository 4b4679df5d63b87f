// SPDX-License-Identifier: Apache-2.0
// What a build is for: device names to a backend with its tactics, and what the engine's header
// says of it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "builder/build_config.hpp"
#include "builder/report.hpp"
#include "ir/graph.hpp"
#include "plan/engine_file.hpp"
#include "tactic/tactic.hpp"

namespace strop {

struct BuildTarget {
  std::string backend;  // "reference", "cpu", "cuda"
  std::span<const Tactic* const> tactics;
  std::optional<DeviceProperties> device{};  // of a backend with memory of its own

  // Otherwise nothing can be timed or checked.
  bool can_run() const { return !device || device->ordinal >= 0; }
};

// Throws Error(bad_option) for options that contradict themselves or that this version does not
// have.
void check_config(const BuildConfig& config);
// What --precision makes the operands of products, of a config that was checked.
DType operand_type(const BuildConfig& config);
// Number of the GPU that --device names; 0 where it names none.
int device_ordinal(const std::string& device);
// What --precision stores all f32 values in, likewise.
DType storage_type(const BuildConfig& config);
// Throws Error(bad_option, missing_device).
BuildTarget find_target(const BuildConfig& config);
// Kernels that this process compiled so far for GPUs, or found compiled on disk, and the seconds of
// all threads together.
struct CompiledKernels {
  std::size_t compiled = 0, loaded = 0;
  double seconds = 0;
};
CompiledKernels compiled_kernels();
// Fills in everything of the engine but its plan.
void describe_engine(const BuildConfig& config, const BuildTarget& target, const Graph& graph,
                     const BuildReport& report, EngineContents& engine);

}  // namespace strop

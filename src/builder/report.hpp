// SPDX-License-Identifier: Apache-2.0
// What a build did, for people and machines: passes with their rewrites, where every node runs and
// why, timings, self-check.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lower/lower.hpp"
#include "passes/pass_runner.hpp"
#include "plan/engine_file.hpp"

namespace strop {

struct OutputCheck {
  std::string name;
  double largest_relative = 0;
  double tolerance = 0;
};

struct SelfCheckReport {
  bool done = false;
  std::string note;  // why it was left out, or passed although outputs differ
  std::vector<OutputCheck> outputs;
};

// What a stage did: seconds of all threads together, and how often.
struct StagePart {
  std::string part;
  double seconds = 0;
  std::size_t count = 0;
};

struct StageTime {
  std::string stage;
  double seconds = 0;  // by the clock
  std::vector<StagePart> parts{};
};

struct BuildReport {
  std::string model;
  std::string device;
  std::vector<EnginePlugin> plugins;  // whose operators the engine has
  std::size_t imported_nodes = 0;
  std::vector<PassRecord> passes;
  LowerReport lowering;
  std::vector<StageTime> stages;
  std::size_t timed_problems = 0;
  std::size_t cached_problems = 0;
  std::optional<SymbolValues> sample;  // sizes that timing and self-check used
  std::int64_t weight_bytes = 0;
  SelfCheckReport self_check;
  std::vector<std::string> notes;

  // Object with the fields above; docs/cli.md says what the parts of stages are.
  std::string to_json() const;
};

}  // namespace strop

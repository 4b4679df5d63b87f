// SPDX-License-Identifier: Apache-2.0
// What a build is asked to do. Each option has the same name here, in the C API and on the command
// line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "builder/sample_shapes.hpp"

namespace strop {

enum class Verify : std::uint8_t {
  automatic,  // with a small batch where it is open, and unless the reference would need more than
              // kSelfCheckLimit operations; the report says so
  always,
  never,
};

// Multiply-adds that the reference does in ten seconds or so on two cores.
inline constexpr double kSelfCheckLimit = 2e10;

struct BuildProgress {
  std::string stage;    // "import", "passes", "tune", "pack", "self-check", "save"
  std::string detail;   // pass or node
  double fraction = 0;  // of the whole build, 0 to 1
};

struct BuildConfig {
  std::string device = "cpu";      // cpu | reference | auto (cpu)
  std::string precision = "fp32";  // fp32 | bf16 | fp16 (for GPUs)
  bool precise = false;            // leave out what reassociates sums
  // fp16: run the model once in FP32 on the CPU, and keep in f32 what does not fit.
  bool overflow_guard = true;
  int threads = 0;             // of timing and self-check; 0: all processors
  double budget_seconds = 60;  // for timing candidates; when spent, the first candidate is taken
  bool tuning = true;
  std::filesystem::path timing_cache;  // empty: none
  std::vector<std::string> tactics;    // "-onednn" leaves a library or tactic out
  WantedShapes shapes;
  std::vector<std::string> outputs;  // cut the model at these values; empty: its own outputs
  Verify verify = Verify::automatic;
  bool portable = false;
  std::filesystem::path external_data_root;
  // Files with operators of the model's own (strop/plugin.h). Code of them runs in this process,
  // and they stay loaded; so is whatever was loaded before, which need not be named again.
  std::vector<std::string> plugins;
  std::string stop_after;                // import | passes | lower | tune; empty: build all
  std::filesystem::path dump_directory;  // graph text after every pass; empty: none
  std::int64_t folding_bytes = std::int64_t{1} << 30;  // constants that folding may create
  // Called from the building thread; returning false cancels the build with Error(cancelled).
  std::function<bool(const BuildProgress&)> progress;
};

}  // namespace strop

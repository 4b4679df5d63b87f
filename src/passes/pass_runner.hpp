// SPDX-License-Identifier: Apache-2.0
// Runs passes one after the other. After each: dead nodes go, types are inferred anew, the graph is
// verified. Nested graphs (of if_else, loop, scan) go through the same passes; bodies of fused
// nodes do not.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "passes/pass.hpp"

namespace strop {

struct PassRunOptions {
  // Folder that receives the graph as text: 00_start.txt, then one file a pass. Made when missing;
  // empty: nothing is written.
  std::filesystem::path dump{};
  std::string stop_after{};  // name of the last pass to run; empty: all
  // Command that builds this model, to which " --stop-after=passes" is added in the error of a
  // failing pass.
  std::string command{};
};

struct PassRecord {
  std::string name;
  int rewrites = 0;
  std::size_t nodes_before = 0, nodes_after = 0;
  double seconds = 0;
  std::vector<std::string> notes;  // labels of patches, and what was left alone
};

// Throws Error(pass_failed) that names the pass and holds the graph before it and the command that
// reproduces it; Error(bad_option) when stop_after is no pass of the list; what a limit, missing
// memory or a cancellation threw as it is. After an error the graph is as the failing pass left it.
std::vector<PassRecord> run_passes(Graph& graph, std::span<const Pass> passes, const Target& target,
                                   const PassRunOptions& options = {});

}  // namespace strop

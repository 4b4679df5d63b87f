// SPDX-License-Identifier: Apache-2.0
// Graph -> Plan. Every node gets the tactic that `choose` picks among those that accept it; what no
// tactic takes runs on the reference backend, and the report says so. Fused nodes that no tactic
// takes are split into their parts first.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "plan/plan.hpp"
#include "tactic/candidates.hpp"

namespace strop {

// Where one node went, and why.
struct NodeReport {
  std::string node;
  std::string op;
  std::string backend;
  std::string tactic;  // Candidate::name(), or "reference", "reorder", "view", "shape"
  std::vector<std::string> origins;
  bool sizes = false;  // small integers that the host is to make for a device
  std::vector<Refusal> refusals;
  struct Timing {
    std::string candidate;
    std::int64_t nanoseconds = 0;
  };
  std::vector<Timing> timings;  // of all candidates, where they were timed
};

struct LowerReport {
  std::vector<NodeReport> nodes;
  std::vector<std::string> notes;  // fused nodes that were split, nodes that fell back
};

// A node that several candidates take. Lives during one call of LowerOptions::measure.
struct CandidateQuestion {
  Problem problem;
  std::vector<Candidate> candidates;  // at least two
  NodeReport* report = nullptr;
};

struct LowerOptions {
  std::string backend = "cpu";  // what the engine is for; "reference" uses no tactics
  // The chip, where the backend's steps work on memory of their own. Nodes that its tactics do not
  // take go to other backends, with copies between.
  std::optional<DeviceProperties> device;
  std::span<const Tactic* const> tactics;
  std::vector<std::string> excluded_tactics;
  bool precise = false;
  bool keep_all_values =
      false;  // every tensor becomes an output of the plan, for finding where results diverge
  // Sizes at which costs are weighed; symbols without a value count as 1.
  SymbolValues sample;
  // Nanoseconds of each candidate of each question, asked once for all nodes of a graph; fills the
  // reports' timings. An empty list, or a null function: they are estimated. Which candidate is
  // taken follows from these and from what its neighbours take (assign_layouts.hpp).
  std::function<std::vector<std::vector<double>>(std::span<const CandidateQuestion>)> measure;
  // Decides alone instead, whatever the layouts around; for tests of a single candidate.
  std::function<std::size_t(const Problem&, std::span<const Candidate>)> choose;
};

// What the tactics offer for a problem under these options: those of the target's own backend where
// there is one, else all others.
CandidateList list_candidates(const Problem& problem, const LowerOptions& options);

// The graph has passed the passes. Throws Error(no_implementation) for what cannot be planned.
Plan lower(const Graph& graph, const LowerOptions& options, LowerReport& report);

// A plan of the one step that `candidate` gives for the node, with the node's non-constant inputs
// as plan inputs, in the candidate's layouts and every size fixed by `sizes`; what tuning times.
// Every symbol must have a value.
Plan lower_single(const Problem& problem, const Candidate& candidate, const SymbolValues& sizes);

}  // namespace strop

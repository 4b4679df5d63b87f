// SPDX-License-Identifier: Apache-2.0
// What lowering can do with each node, and what each way costs: candidates of the tactics, the
// reference backend where there is none, or no step at all (views, values made of shapes).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lower/assign_layouts.hpp"
#include "lower/lower.hpp"

namespace strop {

// One way to have the outputs of a node.
struct Way {
  enum Kind : std::uint8_t {
    candidate,     // a step of a tactic
    reference,     // a step of the reference backend
    view,          // the input's memory under another shape
    shape_value,   // written when shapes are prepared
    control_flow,  // a step with nested plans
  } kind = reference;
  Candidate of_tactic{};  // of a candidate
  OperandLayouts layouts{};
  double cost = 0;  // nanoseconds
};

// `known` holds the symbols whose values are known before the node runs. Costs are estimates. Fills
// the entry's refusals. `on_host`: no tactic is asked, since the host is to run it
// (host_integers.hpp). At least one way; candidates come first.
std::vector<Way> ways_of(const Graph& graph, const Node& node, const LowerOptions& options,
                         const std::set<std::string>& known, bool on_host, NodeReport& entry);

// The node's candidates as a question for LowerOptions::measure; nothing when there is no choice.
std::optional<CandidateQuestion> question_of(const Graph& graph, const Node& node,
                                             const LowerOptions& options,
                                             const std::vector<Way>& ways);

// The node as a question to the tactics.
Problem problem_of(const Node& node, const Graph& graph, const LowerOptions& options);

// Every size of the type follows from `known`.
bool is_known(const Type& type, const std::set<std::string>& known);

// Nanoseconds for having a tensor in another layout.
double reorder_cost(const Type& type, const LowerOptions& options);

}  // namespace strop

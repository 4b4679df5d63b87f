// SPDX-License-Identifier: Apache-2.0
// Every way that the tactics at hand offer to run one node, and every refusal with its reason.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tactic/tactic.hpp"

namespace strop {

struct Candidate {
  const Tactic* tactic = nullptr;
  std::string config;
  OperandLayouts layouts;

  // "conv_onednn", "conv_onednn/blocked"; with layouts that are not plain "pool_cpu@nhwc", or
  // "conv_cpu@plain>nhwc" where the outputs have another layout than the first input.
  std::string name() const;
};

struct Refusal {
  std::string tactic;
  std::string reason;
};

struct CandidateList {
  std::vector<Candidate> candidates;  // in the order of the tactics; the first is the default
  std::vector<Refusal> refusals;
};

// `excluded` holds library or tactic names that the user left out (--tactics=-onednn): a tactic is
// excluded when one of them is its name or one of the '_'-separated parts of its name.
CandidateList list_candidates(const Problem& problem, std::span<const Tactic* const> tactics,
                              std::span<const std::string> excluded);

}  // namespace strop

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

  // "conv_onednn" or "conv_onednn/blocked"
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

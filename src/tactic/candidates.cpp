// SPDX-License-Identifier: Apache-2.0
#include "tactic/candidates.hpp"

#include <algorithm>

namespace strop {
namespace {

bool is_excluded(std::string_view name, std::span<const std::string> excluded) {
  return std::ranges::any_of(excluded, [name](const std::string& part) {
    if (part == name) return true;
    const std::string whole = "_" + std::string(name) + "_";
    return whole.find("_" + part + "_") != std::string::npos;
  });
}

}  // namespace

std::string Candidate::name() const {
  return config.empty() ? std::string(tactic->name) : std::string(tactic->name) + "/" + config;
}

CandidateList list_candidates(const Problem& problem, std::span<const Tactic* const> tactics,
                              std::span<const std::string> excluded) {
  CandidateList list;
  const OpDef& leading = problem.leading_op();
  for (const Tactic* tactic : tactics) {
    if (std::ranges::none_of(tactic->ops, [&](auto op) { return &op() == &leading; })) continue;
    if (is_excluded(tactic->name, excluded)) {
      list.refusals.push_back({std::string(tactic->name), "left out by option"});
      continue;
    }
    const Acceptance acceptance = tactic->accepts(problem);
    if (!acceptance.yes) {
      if (!acceptance.reason.empty()) {
        list.refusals.push_back({std::string(tactic->name), acceptance.reason});
      }
      continue;
    }
    if (tactic->configs == nullptr) {
      list.candidates.push_back({tactic, {}});
      continue;
    }
    for (std::string& config : tactic->configs(problem))
      list.candidates.push_back({tactic, std::move(config)});
  }
  return list;
}

}  // namespace strop

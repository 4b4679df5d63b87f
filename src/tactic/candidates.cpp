// SPDX-License-Identifier: Apache-2.0
#include "tactic/candidates.hpp"

#include <algorithm>

#include "ops/fused.hpp"

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
  std::string out(tactic->name);
  if (!config.empty()) out += "/" + config;
  if (layouts.is_plain()) return out;
  const auto text = [](Layout layout) { return layout == Layout::plain ? "plain" : "nhwc"; };
  out += std::string("@") + text(layouts.input(0));
  if (layouts.output(0) != layouts.input(0)) out += std::string(">") + text(layouts.output(0));
  return out;
}

CandidateList list_candidates(const Problem& problem, std::span<const Tactic* const> tactics,
                              std::span<const std::string> excluded) {
  CandidateList list;
  const OpDef& leading = problem.leading_op();
  for (const Tactic* tactic : tactics) {
    const bool serves =
        std::ranges::any_of(tactic->ops, [&](auto op) { return &op() == &leading; }) ||
        (tactic->serves != nullptr && tactic->serves(problem.op()));
    if (!serves || (problem.is(op_fused()) && !tactic->reads_bodies)) continue;
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
    const std::vector<std::string> configs =
        tactic->configs == nullptr ? std::vector<std::string>{""} : tactic->configs(problem);
    for (const std::string& config : configs) {
      if (tactic->accepts_config != nullptr) {
        Acceptance takes = tactic->accepts_config(problem, config);
        if (!takes.yes) {
          list.refusals.push_back({Candidate{tactic, config, {}}.name(), std::move(takes.reason)});
          continue;
        }
      }
      if (tactic->layouts == nullptr) {
        list.candidates.push_back({tactic, config, {}});
        continue;
      }
      for (OperandLayouts& layouts : tactic->layouts(problem, config))
        list.candidates.push_back({tactic, config, std::move(layouts)});
    }
  }
  return list;
}

}  // namespace strop

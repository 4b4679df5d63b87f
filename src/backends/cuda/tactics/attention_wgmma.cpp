// SPDX-License-Identifier: Apache-2.0
// Attention of f16 and bf16 with heads of 64 or 128 by warpgroups, on sm_90a.
#include <algorithm>

#include "backends/cuda/tactics/attention_support.hpp"
#include "backends/cuda/tactics/wgmma_support.hpp"
#include "base/error.hpp"
#include "ops/attention.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"

namespace strop::cuda {
const Tactic& tactic_attention_wgmma();
namespace {

Acceptance accepts(const Problem& problem) {
  std::string refusal = wgmma_device_refusal(problem);
  if (!refusal.empty()) return Acceptance::refuse(refusal);
  const auto attention = read_attention(problem, refusal);
  if (!attention) return Acceptance::refuse(refusal);
  refusal = not_for_warpgroups(*attention);
  return refusal.empty() ? Acceptance::accept() : Acceptance::refuse(refusal);
}

constexpr std::string_view kHeads = "heads";  // with so many warpgroups: "heads3"

std::vector<std::string> configs(const Problem& problem) {
  const AttentionProblem attention = accepted_attention(problem);
  const std::int64_t shared_bytes = shared_bytes_for_attention(problem);
  std::vector<std::string> out;
  for (const int teams : attention_teams(attention, shared_bytes))
    out.push_back(std::string(kHeads) + std::to_string(teams));
  for (const AttentionConfig& config : wgmma_attention_configs(attention, shared_bytes))
    out.push_back(config.name());
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  const AttentionProblem attention = accepted_attention(problem);
  const int chip = problem.device->compute_capability;
  if (name.starts_with(kHeads)) {
    const auto known = attention_teams(attention, shared_bytes_for_attention(problem));
    const auto teams = std::ranges::find_if(
        known, [&](int each) { return name.substr(kHeads.size()) == std::to_string(each); });
    STROP_CHECK(teams != known.end(), "a configuration that configs named");
    return to_choice(problem, heads_attention_step(attention, *teams, chip));
  }
  const auto config = AttentionConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  return to_choice(problem, wgmma_attention_step(attention, *config, chip));
}

}  // namespace

const Tactic& tactic_attention_wgmma() {
  static const Tactic tactic{.name = "attention_wgmma",
                             .backend = "cuda",
                             .ops = {op_attention, op_reshape, op_slice},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda

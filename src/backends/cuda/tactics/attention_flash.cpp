// SPDX-License-Identifier: Apache-2.0
// Attention: f16 and bf16 on tensor cores, and everything but f64 with products in f32 ("simt").
#include "backends/cuda/tactics/attention_support.hpp"
#include "base/error.hpp"
#include "ops/attention.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"

namespace strop::cuda {
const Tactic& tactic_attention_flash();
namespace {

constexpr std::string_view kSimt = "simt";

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  if (read_attention(problem, refusal)) return Acceptance::accept();
  return Acceptance::refuse(refusal);
}

std::vector<std::string> configs(const Problem& problem) {
  const AttentionProblem attention = accepted_attention(problem);
  std::vector<std::string> out;
  if (not_for_tensor_cores(attention).empty()) {
    for (const AttentionConfig& config :
         mma_attention_configs(attention, shared_bytes_for_attention(problem)))
      out.push_back(config.name());
  }
  if (out.empty()) out.emplace_back(kSimt);
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  STROP_CHECK(problem.device != nullptr, "kernels for a GPU are made for one");
  const int chip = problem.device->compute_capability;
  const AttentionProblem attention = accepted_attention(problem);
  if (name == kSimt) return to_choice(problem, simt_attention_step(attention, chip));
  const auto config = AttentionConfig::parse(name);
  STROP_CHECK(config.has_value(), "a configuration that configs named");
  return to_choice(problem, mma_attention_step(attention, *config, chip));
}

}  // namespace

const Tactic& tactic_attention_flash() {
  static const Tactic tactic{.name = "attention_flash",
                             .backend = "cuda",
                             .ops = {op_attention, op_reshape, op_slice},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda

// SPDX-License-Identifier: Apache-2.0
// Attention as CUDA source (kernels/flash_*.cuh) and what launches it, for heads wherever
// they lie. Numbers of batches, queries and keys may be open.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cuda/codegen/launch_step.hpp"

namespace strop::cuda {

// Element (b, h, l, d) lies at offset + b * batch + h * head + l * row + d of the operand.
struct AttentionOperand {
  Operand operand;
  std::int64_t offset = 0;
  Dim batch{0}, head{0}, row{0};
};

struct AttentionProblem {
  DType element = DType::f32;  // f32, f16, bf16
  AttentionOperand q, k, v, y;
  Dim batches, heads, kv_heads, queries, keys;
  std::int64_t size = 0, value_size = 0;  // of a head
  double scale = 1, softcap = 0;
  std::int64_t left = -1, right = -1;
  bool zero_nan = false;
  // Operands that may be absent.
  struct Extra {
    Operand operand;
    DType dtype = DType::f32;
    std::vector<Dim> sizes;
  };
  std::optional<Extra> bias;                  // of four sizes; of `element`, or bool
  std::optional<Extra> lengths, start, sink;  // of one size
};

// Blocks of `rows` queries; tiles of `keys` keys in `stages` buffers, shared by `groups` groups of
// warps, which take `tiles` times 16 queries each.
struct AttentionConfig {
  int rows = 64, keys = 64, tiles = 1, groups = 1, stages = 2;

  std::string name() const;  // "64x64_t1_g1_s2"
  static std::optional<AttentionConfig> parse(std::string_view name);
};

// On tensor cores, for f16 and bf16. Empty where it may be used, else why not.
std::string not_for_tensor_cores(const AttentionProblem& problem);
// Worth timing on a chip with so much shared memory in a block, the likely best first.
std::vector<AttentionConfig> mma_attention_configs(const AttentionProblem& problem,
                                                   std::int64_t shared_bytes);
// Compiles, for that chip. Throws what compile throws (nvrtc.hpp).
LaunchStep mma_attention_step(const AttentionProblem& problem, const AttentionConfig& config,
                              int compute_capability);

// The same by warpgroups, on sm_90a: one group, one tile of queries a warp. With one stage, one
// tile has all keys there are.
std::string not_for_warpgroups(const AttentionProblem& problem);
std::vector<AttentionConfig> wgmma_attention_configs(const AttentionProblem& problem,
                                                     std::int64_t shared_bytes);
LaunchStep wgmma_attention_step(const AttentionProblem& problem, const AttentionConfig& config,
                                int compute_capability);

// The same where one tile has all keys: blocks that stay and take heads in turn, a head ahead of
// the arithmetic, by so many warpgroups. Numbers of them that fit, the likely best first.
std::vector<int> attention_teams(const AttentionProblem& problem, std::int64_t shared_bytes);
LaunchStep heads_attention_step(const AttentionProblem& problem, int teams, int compute_capability);

// With products in f32, for every type and size. Compiles likewise.
LaunchStep simt_attention_step(const AttentionProblem& problem, int compute_capability);

}  // namespace strop::cuda

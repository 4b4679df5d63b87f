// SPDX-License-Identifier: Apache-2.0
// What the tactics over codegen/flash_attention.hpp have in common: attention on heads where they
// lie. Lengths and starts that the reference refuses count as the nearest ones that it takes: a
// kernel has no way to refuse.
#pragma once

#include <optional>
#include <string>

#include "backends/cuda/codegen/flash_attention.hpp"
#include "tactic/tactic.hpp"

namespace strop::cuda {

// Nothing, and why, where it is no attention that these kernels know.
std::optional<AttentionProblem> read_attention(const Problem& problem, std::string& refusal);
// Of a problem that was read before.
AttentionProblem accepted_attention(const Problem& problem);

// Shared memory of a block of the device.
std::int64_t shared_bytes_for_attention(const Problem& problem);

}  // namespace strop::cuda

// SPDX-License-Identifier: Apache-2.0
// A problem seen as attention: the operator alone, or fused with the views that cut its heads out
// of columns and put them side by side again (ops/packed_heads_support.hpp).
#pragma once

#include <optional>
#include <string>

#include "ops/packed_heads_support.hpp"
#include "tactic/tactic.hpp"

namespace strop {

struct AttentionView {
  const Node* node = nullptr;
  // Per operand q, k, v: an input of the problem's node, and the heads in its columns.
  std::int64_t inputs[3] = {-1, -1, -1};
  std::optional<PackedHeads> heads[3];
  // Inputs of the problem's node; -1: absent.
  std::int64_t bias = -1, lengths = -1, start = -1, sink = -1;
  // The result's heads side by side, [B, L, columns], or with rows first, [L, B, columns].
  bool merged = false, merged_rows_first = false;
};

// Nothing where there is no attention (`refusal` stays empty) or it is not taken.
std::optional<AttentionView> view_as_attention(const Problem& problem, std::string& refusal);

}  // namespace strop

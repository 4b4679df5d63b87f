// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

struct RotaryEmbeddingAttributes {
  std::int64_t sequence_axis = 2;
  bool interleaved = false;

  static void reflect(auto& field) {
    field("sequence_axis", &RotaryEmbeddingAttributes::sequence_axis,
          "axis of x that counts positions: 2 for [batch, heads, sequence, size], 1 for [batch, "
          "sequence, heads, size]");
    field("interleaved", &RotaryEmbeddingAttributes::interleaved,
          "pairs are neighbours (2i, 2i + 1) instead of (i, i + half)");
  }
};

// x [B, H, L, D] or [B, L, H, D], cos and sin [B or 1, L, R / 2] with R <= D → y like x. The first
// R elements of each vector are turned, the rest stays.
const OpDef& op_rotary_embedding();

}  // namespace strop

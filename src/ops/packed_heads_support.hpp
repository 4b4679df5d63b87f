// SPDX-License-Identifier: Apache-2.0
// Where the heads of attention lie before they are moved to a tensor of their own. Models keep
// [B, L, columns], and cut the columns into heads by slices, reshapes and transposes; a kernel that
// reads columns with a stride needs none of those.
#pragma once

#include <optional>

#include "ir/graph.hpp"

namespace strop {

// Element (b, h, l, d) of [B, heads, L, size] is element (b, l, offset + h * stride + d) of
// `source`, [B, L, columns], or with `rows_first` element (l, b, ...) of [L, B, columns].
struct PackedHeads {
  ValueId source;
  std::int64_t columns = 0;
  std::int64_t offset = 0;
  std::int64_t heads = 0, stride = 0, size = 0;
  bool rows_first = false;
};

// Nothing where `id` is no such view of a value, or lies as it is.
std::optional<PackedHeads> packed_heads(const Graph& graph, ValueId id);

// The view spelled out as slice, reshape and transpose of `source`, with constant operands alone.
// Nothing where that needs another operator.
std::optional<ValueId> emit_packed_heads(Emitter& emitter, const PackedHeads& heads,
                                         ValueId source);

}  // namespace strop

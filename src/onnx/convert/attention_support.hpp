// SPDX-License-Identifier: Apache-2.0
// What the ONNX operators around attention share: heads packed into the last axis, and the default
// scale.
#pragma once

#include "onnx/converter_table.hpp"

namespace strop::onnx {

// An attribute that counts heads; throws bad_attribute unless it is positive and sensible.
std::int64_t heads_attribute(ConvertContext& c, std::string_view name);

// x [B, L, heads * D] as [B, L, heads, D]: the same memory.
ValueId with_heads(ConvertContext& c, ValueId x, std::int64_t heads);
// x [B, L, heads * D] to [B, heads, L, D].
ValueId split_heads(ConvertContext& c, ValueId x, std::int64_t heads);
// x [B, L, heads, D] as [B, L, heads * D].
ValueId without_heads(ConvertContext& c, ValueId x);
// x [B, heads, L, D] to [B, L, heads * D].
ValueId merge_heads(ConvertContext& c, ValueId x);

// Queries of rank 4 and the factor of their products: 1 / sqrt(size of q's last axis). Where that
// size is not known, the queries are multiplied by it instead.
struct ScaledQueries {
  ValueId q;
  double scale = 1;
};
ScaledQueries with_default_scale(ConvertContext& c, ValueId q);

// past and x joined along an axis; x itself where there is no past.
ValueId appended(ConvertContext& c, ValueId past, ValueId x, std::int64_t axis);

}  // namespace strop::onnx

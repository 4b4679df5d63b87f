// SPDX-License-Identifier: Apache-2.0
// The shape that an i64 vector among the inputs asks for.
#pragma once

#include <optional>

#include "ir/infer.hpp"

namespace strop {

// Nothing when even its rank is not known. Fails when a size is negative or the rank is beyond what
// is tracked.
inline std::optional<SymShape> wanted_shape(InferContext& context, std::size_t input) {
  context.require_rank(input, 1);
  const auto sizes = context.elements(input);
  if (!sizes) {
    const SymShape* length = context.shape(input);
    if (length == nullptr || !(*length)[0].is_constant()) return std::nullopt;
    const std::int64_t rank = (*length)[0].value();
    context.require(rank <= kMaxTrackedElements, ErrorCode::bad_shape, "the rank is too large");
    return context.fresh_shape(static_cast<std::size_t>(rank));
  }
  for (const Dim& dim : *sizes) {
    context.require(!dim.is_constant() || dim.value() >= 0, ErrorCode::bad_shape,
                    "shape " + to_string(*sizes) + " has a negative dimension");
  }
  return *sizes;
}

}  // namespace strop

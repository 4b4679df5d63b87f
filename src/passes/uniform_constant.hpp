// SPDX-License-Identifier: Apache-2.0
// Constants seen as numbers: one for all elements, or one per channel.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

// The value all elements of a constant have (-0 and 0 differ); nothing for other values, empty
// tensors and types that are no numbers. i64 beyond 2^53 is nothing.
std::optional<double> uniform_constant(const Value& value);

// A constant that, broadcast against a tensor of `rank` axes, has one number per index of `axis`
// (of `size`) and nothing else: those numbers. A uniform constant counts where it does not raise
// the rank.
std::optional<std::vector<double>> channel_constant(const Value& value, std::int64_t rank,
                                                    std::int64_t axis, std::int64_t size);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Bounds of every plan, whether lowered or read from a file: far above what models need, low enough
// that a hostile engine costs bounded time and memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strop {

inline constexpr int kMaxPlanDepth = 32;                            // plans nested in plans
inline constexpr std::size_t kMaxPlanSlots = std::size_t{1} << 19;  // with nested plans' when saved
inline constexpr std::size_t kMaxPlanSteps = std::size_t{1} << 18;  // likewise
inline constexpr std::size_t kMaxPlanRank = 64;
inline constexpr std::size_t kMaxPlanAliases = 1024;                // of aliases in a row
inline constexpr std::size_t kMaxPlanBytes = std::size_t{1} << 30;  // saved, without weights
// Sum of squared lengths of the different size expressions, which is what reading them costs at
// worst: 26,000 of 100 characters each.
inline constexpr std::uint64_t kMaxDimCost = std::uint64_t{1} << 28;

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Products whose operands are rounded to bf16 (assign_precision.cpp), as tactics see them.
#pragma once

#include <string>

#include "backends/cpu/tactics/anchor_support.hpp"

namespace strop::cpu {

// Whether the problem is a fused node that rounds operands, in which case it is for the tactics of
// such products alone.
bool begins_with_cast(const Problem& problem);

// Why the fused node is no product of bf16 with f32 sums: its casts, or the types of its operands;
// empty when it is one.
std::string not_bf16(const Problem& problem, const AnchorView& view, std::int64_t bias);

// Takes the sum with a bf16 tensor off the start of the epilogue; which input that is, or -1.
std::int64_t take_narrow_residual(const Problem& problem, Epilogue& epilogue);

}  // namespace strop::cpu

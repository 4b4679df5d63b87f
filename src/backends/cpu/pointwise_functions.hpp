// SPDX-License-Identifier: Apache-2.0
// Pointwise functions over runs of floats, for kernels that apply an epilogue to a buffer in the
// cache.
#pragma once

#include <cstdint>
#include <string_view>

#include "backends/cpu/epilogue.hpp"

namespace strop::cpu {

// value[i] = f(value[i], operand[i]). `operand` is null for unary functions and clip; a broadcast
// operand is splat by the caller into a run. Errors stay within 2 units in the last place of the
// exact function of a float.
using RunFunction = void (*)(float* value, const float* operand, std::int64_t count, float alpha,
                             float beta);

// Null when there is no such function here.
RunFunction find_run_function(const EpilogueStep& step);

}  // namespace strop::cpu

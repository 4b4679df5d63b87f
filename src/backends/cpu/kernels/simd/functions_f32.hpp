// SPDX-License-Identifier: Apache-2.0
// The pointwise functions that cost most, in the processor's own vectors; see
// pointwise_functions.hpp for all of them. A result depends on its argument alone, not on where in
// a run it lies.
#pragma once

#include <string_view>

#include "backends/cpu/pointwise_functions.hpp"

namespace strop::cpu {

struct FunctionSetF32 {
  struct Entry {
    std::string_view name;
    RunFunction function;
  };
  Entry unary[7];
};

// The function of this processor (isa.hpp) for a step, or the portable one where there is none;
// null where there is neither.
RunFunction find_fast_function(const EpilogueStep& step);

}  // namespace strop::cpu

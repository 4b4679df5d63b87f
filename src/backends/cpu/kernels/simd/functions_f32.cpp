// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/simd/functions_f32.hpp"

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/functions_f32.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

namespace strop::cpu {

RunFunction find_fast_function(const EpilogueStep& step) {
  if (step.kind == EpilogueStep::unary) {
    for (const FunctionSetF32::Entry& entry : STROP_FOR_THIS_CPU(kFunctionSetF32).unary) {
      if (entry.name == step.function) return entry.function;
    }
  }
  return find_run_function(step);
}

}  // namespace strop::cpu

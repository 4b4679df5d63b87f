// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/simd/rows_f32.hpp"

#include <cmath>
#include <limits>

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/rows_f32.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

namespace strop::cpu {

const RowSetF32& row_set_f32() { return STROP_FOR_THIS_CPU(kRowSetF32); }

}  // namespace strop::cpu

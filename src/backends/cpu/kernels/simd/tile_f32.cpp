// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/simd/tile_f32.hpp"

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/tile_f32.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

namespace strop::cpu {

const TileSetF32& tile_set_f32() { return STROP_FOR_THIS_CPU(kTileSetF32); }

}  // namespace strop::cpu

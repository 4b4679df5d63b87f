// SPDX-License-Identifier: Apache-2.0
// tile_bf16.inl for each instruction set: with widened operands, and with products of pairs.
#include "backends/cpu/kernels/simd/tile_bf16.hpp"

#define STROP_SIMD_SOURCE "backends/cpu/kernels/simd/tile_bf16_widened.inl"
#include "backends/cpu/kernels/simd/for_each_isa.hpp"

#if STROP_SIMD_X86
#if defined(__clang__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma"))), \
    apply_to = function)
#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma")
#endif
namespace strop::cpu::avx512_bf16 {
#include "backends/cpu/kernels/simd/vec_avx512.inl"

using Factor = __m512bh;
using Pairs = __m512bh;

inline Factor load_factor(const std::uint16_t* p) { return (Factor)_mm512_loadu_si512(p); }
inline Pairs spread(std::uint32_t two) { return (Pairs)_mm512_set1_epi32(static_cast<int>(two)); }
inline Vec dot(Vec sum, Pairs x, Factor w) { return _mm512_dpbf16_ps(sum, x, w); }
inline Vec load_narrow(const std::uint16_t* p, int n) {
  const __m256i half = _mm256_maskz_loadu_epi16(mask_of(n), p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
inline void store_narrow(std::uint16_t* p, Vec a, int n) {
  _mm256_mask_storeu_epi16(p, mask_of(n), (__m256i)_mm512_cvtneps_pbh(a));
}

#include "backends/cpu/kernels/simd/tile_bf16.inl"
}  // namespace strop::cpu::avx512_bf16
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#pragma GCC diagnostic pop
#endif
#endif

namespace strop::cpu {

const TileSetBf16& tile_set_bf16() {
#if STROP_SIMD_X86
  if (isa() >= Isa::avx512_bf16) return avx512_bf16::kTileSetBf16;
#endif
  return STROP_FOR_THIS_CPU(kTileSetBf16);
}

}  // namespace strop::cpu

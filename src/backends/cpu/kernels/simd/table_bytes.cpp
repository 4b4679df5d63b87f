// SPDX-License-Identifier: Apache-2.0
// With AVX-512 VBMI the table stays in four registers; an instruction finds 64 bytes in two of
// them.
#include "backends/cpu/kernels/simd/table_bytes.hpp"

#include "backends/cpu/isa.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define STROP_SIMD_X86 1
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // undefined operands within intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace strop::cpu {
namespace {

void one_by_one(std::uint8_t* to, const std::uint8_t* from, const std::uint8_t* table,
                std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = table[from[i]];
}

#if STROP_SIMD_X86
__attribute__((target("avx512f,avx512bw,avx512vbmi"))) void by_permutation(
    std::uint8_t* to, const std::uint8_t* from, const std::uint8_t* table, std::int64_t n) {
  const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
  const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
  for (std::int64_t i = 0; i < n; i += 64) {
    const __mmask64 mask = n - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (n - i)) - 1;
    const __m512i x = _mm512_maskz_loadu_epi8(mask, from + i);
    const __m512i low = _mm512_permutex2var_epi8(a, x, b);
    const __m512i high = _mm512_permutex2var_epi8(c, x, d);
    _mm512_mask_storeu_epi8(to + i, mask,
                            _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
  }
}
#endif

}  // namespace

LookUp look_up_bytes() {
#if STROP_SIMD_X86
  if (isa() >= Isa::avx512_vnni && __builtin_cpu_supports("avx512vbmi")) return by_permutation;
#endif
  return one_by_one;
}

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// vec_generic.inl's functions in AVX-512.

constexpr int kLanes = 16;
constexpr int kVectors = 32;
using Vec = __m512;

inline __mmask16 mask_of(int n) {
  return n >= 16 ? static_cast<__mmask16>(0xffff)
                 : static_cast<__mmask16>((1u << static_cast<unsigned>(n < 0 ? 0 : n)) - 1u);
}
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline Vec load_part(const float* p, int n) { return _mm512_maskz_loadu_ps(mask_of(n), p); }
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a); }
inline void store_part(float* p, Vec a, int n) { _mm512_mask_storeu_ps(p, mask_of(n), a); }
inline Vec set(float x) { return _mm512_set1_ps(x); }
inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec reciprocal(Vec a) {
  const Vec r = _mm512_maskz_rcp14_ps(0xffff, a);
  const Vec rest = _mm512_fnmadd_ps(a, r, _mm512_set1_ps(1.0f));
  return _mm512_mask_fmadd_ps(r, _mm512_test_epi32_mask(_mm512_castps_si512(r), _mm512_castps_si512(r)),
                              rest, r);
}
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec max_nan(Vec a, Vec b) {
  return _mm512_mask_mov_ps(_mm512_max_ps(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// The forms with a mask: GCC 12 takes the others to read what was never written.
inline float sum(Vec a) {
  const __m256 low = _mm512_maskz_extractf32x8_ps(0xff, a, 0);
  const __m256 high = _mm512_maskz_extractf32x8_ps(0xff, a, 1);
  const __m256 both = _mm256_add_ps(low, high);
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_shuffle_ps(half, half, 1)));
}
inline Vec power(Vec a, Vec n) { return _mm512_maskz_scalef_ps(mask_of(16), a, n); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}

// SPDX-License-Identifier: Apache-2.0
// Vec of four floats for any processor: compilers make SSE2 or NEON of it. What each instruction
// set's file defines:
//
//   kLanes, kVectors (registers)        load(p), load_part(p, n): the first n, zeros after
//   store(p, v), store_part(p, v, n)    set(x), zero()
//   add sub mul div min max             max_nan(a, b): NaN where either is
//   reciprocal(a): of 1 and more, within a unit in the last place; of infinity zero
//   fma(a, b, c) = a * b + c            sum(v): over the lanes, in a fixed order
//   power(a, n) = a * 2^n, for whole n in [-252, 254]
//   select_less(a, b, x, y): x where a < b, else y
//
// fma is one rounding where the processor has it (avx2, avx512), two here.

constexpr int kLanes = 4;
constexpr int kVectors = 16;

struct Vec {
  float v[kLanes];
};

template <class F>
inline Vec each(F&& f) {
  Vec out;
  for (int i = 0; i < kLanes; ++i) out.v[i] = f(i);
  return out;
}
inline Vec load(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline Vec load_part(const float* p, int n) {
  return each([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline void store(float* p, Vec a) {
  for (int i = 0; i < kLanes; ++i) p[i] = a.v[i];
}
inline void store_part(float* p, Vec a, int n) {
  for (int i = 0; i < kLanes; ++i) {
    if (i < n) p[i] = a.v[i];
  }
}
inline Vec set(float x) {
  return each([&](int) { return x; });
}
inline Vec zero() { return set(0.0f); }
inline Vec add(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
inline Vec sub(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
inline Vec mul(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
inline Vec div(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
inline Vec reciprocal(Vec a) { return div(set(1.0f), a); }
// As the x86 instructions: the second operand where either is NaN.
inline Vec min(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Vec max(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Vec max_nan(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] > b.v[i] || a.v[i] != a.v[i] ? a.v[i] : b.v[i]; });
}
inline Vec fma(Vec a, Vec b, Vec c) {
  return each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline float sum(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
// In two factors: 2^128 and the smallest denormals have no factor of their own. NaN is no integer.
inline Vec power(Vec a, Vec n) {
  return each([&](int i) {
    const auto whole = static_cast<std::int32_t>(n.v[i] == n.v[i] ? n.v[i] : 0.0f);
    const std::int32_t half = whole >> 1;
    return a.v[i] * std::bit_cast<float>((half + 127) << 23) *
           std::bit_cast<float>((whole - half + 127) << 23);
  });
}
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return each([&](int i) { return a.v[i] < b.v[i] ? x.v[i] : y.v[i]; });
}

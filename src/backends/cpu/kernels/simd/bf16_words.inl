// SPDX-License-Identifier: Apache-2.0
// bf16 elements as the upper halves of f32 lanes, for any instruction set (vec_generic.inl):
//
//   load_narrow(p, n): the first n of a vector, widened; store_narrow(p, v, n): rounded to nearest
//   even. Factor, Pairs, load_factor, spread, dot: see tile_bf16.inl.

// Plain arrays, whose loops compilers make vectors of.
struct Words {
  std::uint32_t v[kLanes];
};

inline Vec as_floats(const Words& words) {
  float floats[kLanes];
  __builtin_memcpy(floats, words.v, sizeof floats);
  return load(floats);
}

inline Vec load_narrow(const std::uint16_t* p, int n) {
  Words out;
  if (n == kLanes) {
    for (int i = 0; i < kLanes; ++i) out.v[i] = static_cast<std::uint32_t>(p[i]) << 16;
  } else {
    for (int i = 0; i < kLanes; ++i) out.v[i] = i < n ? static_cast<std::uint32_t>(p[i]) << 16 : 0;
  }
  return as_floats(out);
}

// As f32_to_bf16 of base/float_types.hpp.
inline void store_narrow(std::uint16_t* p, Vec a, int n) {
  float floats[kLanes];
  store(floats, a);
  std::uint16_t out[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    std::uint32_t word;
    __builtin_memcpy(&word, &floats[i], 4);
    const std::uint32_t even = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
    out[i] = static_cast<std::uint16_t>(
        (word & 0x7fffffffu) > 0x7f800000u ? (word >> 16) | 0x40u : even);
  }
  if (n == kLanes) {
    __builtin_memcpy(p, out, sizeof out);
  } else {
    for (int i = 0; i < n; ++i) p[i] = out[i];
  }
}

struct Factor {
  Vec first, second;
};
using Pairs = Factor;

inline Factor load_factor(const std::uint16_t* p) {
  Words first, second;
  __builtin_memcpy(second.v, p, sizeof second.v);
  for (int i = 0; i < kLanes; ++i) {
    first.v[i] = second.v[i] << 16;
    second.v[i] &= 0xffff0000u;
  }
  return {as_floats(first), as_floats(second)};
}

inline Pairs spread(std::uint32_t two) {
  return {set(std::bit_cast<float>(two << 16)), set(std::bit_cast<float>(two & 0xffff0000u))};
}

inline Vec dot(Vec sum, const Pairs& x, const Factor& w) {
  return fma(x.second, w.second, fma(x.first, w.first, sum));
}

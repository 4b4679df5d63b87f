// SPDX-License-Identifier: Apache-2.0
// Elements as they lie in memory, and the four types that generated kernels compute in: float,
// double, long long (signed integers) and unsigned long long (unsigned ones, bool). wide(element)
// and narrow<Element>(number) go between them with the roundings of ops/chunk.hpp: floats once,
// half to even; to integers towards zero, then modulo 2^bits (NaN and infinity give 0).

struct half_t {
  unsigned short bits;
};
struct bfloat_t {
  unsigned short bits;
};
struct bool_t {
  unsigned char bits;
};
struct alignas(16) bits128_t {
  unsigned long long low, high;
};

// Several neighbours, read and written at once.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

__device__ __forceinline__ float half_to_float(unsigned short bits) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
  return out;
}
__device__ __forceinline__ unsigned short float_to_half(float value) {
  unsigned short out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;
}
__device__ __forceinline__ float bfloat_to_float(unsigned short bits) {
  return __uint_as_float(static_cast<unsigned>(bits) << 16);
}
__device__ __forceinline__ unsigned short float_to_bfloat(float value) {
  unsigned short out;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;
}

// To float by rounding to odd, so that one more rounding to 16 bits is as if it were the only one.
__device__ __forceinline__ float double_to_float_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (value != value || static_cast<double>(nearest) == value) return nearest;
  unsigned bits = __float_as_uint(nearest);
  if (fabs(static_cast<double>(nearest)) > fabs(value)) --bits;
  return __uint_as_float(bits | 1u);
}

// The low 64 bits of the integer part in two's complement.
__device__ __forceinline__ long long to_integer(double value) {
  if (value > -9.2e18 && value < 9.2e18) return static_cast<long long>(value);
  const unsigned long long bits = static_cast<unsigned long long>(__double_as_longlong(value));
  const int exponent = static_cast<int>((bits >> 52) & 0x7ff) - 1075;
  if (exponent > 63) return 0;  // a multiple of 2^64, infinity, NaN
  const unsigned long long magnitude = ((bits & 0xfffffffffffffull) | 0x10000000000000ull)
                                       << exponent;
  return static_cast<long long>(value < 0 ? 0 - magnitude : magnitude);
}
__device__ __forceinline__ long long to_integer(float value) {
  if (value > -9.2e18f && value < 9.2e18f) return static_cast<long long>(value);
  return to_integer(static_cast<double>(value));
}
__device__ __forceinline__ long long to_integer(long long value) { return value; }
__device__ __forceinline__ long long to_integer(unsigned long long value) {
  return static_cast<long long>(value);
}

__device__ __forceinline__ float wide(half_t x) { return half_to_float(x.bits); }
__device__ __forceinline__ float wide(bfloat_t x) { return bfloat_to_float(x.bits); }
__device__ __forceinline__ float wide(float x) { return x; }
__device__ __forceinline__ double wide(double x) { return x; }
__device__ __forceinline__ long long wide(signed char x) { return x; }
__device__ __forceinline__ long long wide(short x) { return x; }
__device__ __forceinline__ long long wide(int x) { return x; }
__device__ __forceinline__ long long wide(long long x) { return x; }
__device__ __forceinline__ unsigned long long wide(unsigned char x) { return x; }
__device__ __forceinline__ unsigned long long wide(unsigned short x) { return x; }
__device__ __forceinline__ unsigned long long wide(unsigned x) { return x; }
__device__ __forceinline__ unsigned long long wide(unsigned long long x) { return x; }
__device__ __forceinline__ unsigned long long wide(bool_t x) { return x.bits != 0 ? 1 : 0; }

template <class T>
struct Narrow {  // integers
  template <class C>
  __device__ __forceinline__ static T of(C value) {
    return static_cast<T>(to_integer(value));
  }
};
template <>
struct Narrow<float> {
  template <class C>
  __device__ __forceinline__ static float of(C value) {
    return static_cast<float>(value);
  }
};
template <>
struct Narrow<double> {
  template <class C>
  __device__ __forceinline__ static double of(C value) {
    return static_cast<double>(value);
  }
};
template <>
struct Narrow<half_t> {
  template <class C>
  __device__ __forceinline__ static half_t of(C value) {
    return {float_to_half(double_to_float_odd(static_cast<double>(value)))};
  }
  __device__ __forceinline__ static half_t of(float value) { return {float_to_half(value)}; }
};
template <>
struct Narrow<bfloat_t> {
  template <class C>
  __device__ __forceinline__ static bfloat_t of(C value) {
    return {float_to_bfloat(double_to_float_odd(static_cast<double>(value)))};
  }
  __device__ __forceinline__ static bfloat_t of(float value) { return {float_to_bfloat(value)}; }
};
template <>
struct Narrow<bool_t> {
  template <class C>
  __device__ __forceinline__ static bool_t of(C value) {
    return {static_cast<unsigned char>(value != 0 ? 1 : 0)};
  }
};
template <class T, class C>
__device__ __forceinline__ T narrow(C value) {
  return Narrow<T>::of(value);
}

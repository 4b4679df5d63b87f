// SPDX-License-Identifier: Apache-2.0
// Bytes as the elements of an implicit GEMM: runs of them as ints, and what they are added up with.
// After elements.cuh.

using i8 = signed char;
using u8 = unsigned char;
using i32 = int;

__device__ __forceinline__ int byte_of(unsigned word, int e, u8) {
  return static_cast<int>(word >> (8 * e) & 0xffu);
}
__device__ __forceinline__ int byte_of(unsigned word, int e, i8) {
  return static_cast<int>(word << (24 - 8 * e)) >> 24;
}

// V bytes in words, the first lowest.
template <int V>
__device__ __forceinline__ void load_bytes(const void* from, unsigned (&to)[(V + 3) / 4]) {
  if constexpr (V == 1) {
    to[0] = *static_cast<const unsigned char*>(from);
  } else if constexpr (V == 2) {
    to[0] = *static_cast<const unsigned short*>(from);
  } else {
    const Words<V / 4> in = load_words<V / 4>(from);
#pragma unroll
    for (int i = 0; i < V / 4; ++i) to[i] = in.word[i];
  }
}
template <int V>
__device__ __forceinline__ void store_bytes(void* to, const unsigned (&from)[(V + 3) / 4]) {
  if constexpr (V == 1) {
    *static_cast<unsigned char*>(to) = static_cast<unsigned char>(from[0]);
  } else if constexpr (V == 2) {
    *static_cast<unsigned short*>(to) = static_cast<unsigned short>(from[0]);
  } else {
    Words<V / 4> out;
#pragma unroll
    for (int i = 0; i < V / 4; ++i) out.word[i] = from[i];
    store_words<V / 4>(to, out);
  }
}

template <int V, class T>
__device__ __forceinline__ void load_ints(const T* from, int (&to)[V]) {
  unsigned words[(V + 3) / 4];
  load_bytes<V>(from, words);
#pragma unroll
  for (int v = 0; v < V; ++v) to[v] = byte_of(words[v / 4], v % 4, T{});
}
template <int V>
__device__ __forceinline__ void load_run(const u8* from, int (&to)[V]) {
  load_ints(from, to);
}
template <int V>
__device__ __forceinline__ void load_run(const i8* from, int (&to)[V]) {
  load_ints(from, to);
}
// Ints go the way of floats.
template <int V>
__device__ __forceinline__ void load_run(const int* from, int (&to)[V]) {
  float bits[V];
  load_run(reinterpret_cast<const float*>(from), bits);
#pragma unroll
  for (int v = 0; v < V; ++v) to[v] = __float_as_int(bits[v]);
}
template <int V>
__device__ __forceinline__ void store_run(int* to, const int (&from)[V]) {
  float bits[V];
#pragma unroll
  for (int v = 0; v < V; ++v) bits[v] = __int_as_float(from[v]);
  store_run(reinterpret_cast<float*>(to), bits);
}

__device__ __forceinline__ int multiply_add(int a, int b, int c) { return a * b + c; }

// SPDX-License-Identifier: Apache-2.0
// One number from those of GROUP neighbouring threads, known to all of them afterwards: 1 thread, a
// warp, or a whole block of several warps (all of whose threads take part).

struct Add {
  template <class C>
  __device__ __forceinline__ static C of(C a, C b) {
    return a + b;
  }
};
struct Multiply {
  template <class C>
  __device__ __forceinline__ static C of(C a, C b) {
    return a * b;
  }
};
// NaN if either is.
struct Largest {
  template <class C>
  __device__ __forceinline__ static C of(C a, C b) {
    return a > b || a != a ? a : b;
  }
};
struct Smallest {
  template <class C>
  __device__ __forceinline__ static C of(C a, C b) {
    return a < b || a != a ? a : b;
  }
};

template <int GROUP, class Op, class C>
__device__ __forceinline__ C reduce_group(C value) {
  if constexpr (GROUP == 1) return value;
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value = Op::of(value, __shfl_xor_sync(0xffffffffu, value, distance));
  if constexpr (GROUP > 32) {
    __shared__ C warps[GROUP / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = warps[0];
#pragma unroll
    for (int w = 1; w < GROUP / 32; ++w) value = Op::of(value, warps[w]);
  }
  return value;
}

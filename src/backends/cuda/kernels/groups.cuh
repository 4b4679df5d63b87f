// SPDX-License-Identifier: Apache-2.0
// Reads the elements of a group as the numbers they are. Included as text by generated kernels,
// after numbers.cuh.

// Side by side, W at once from an address that is a multiple of as many.
template <int W, class T, class C, int N>
__device__ __forceinline__ void read_neighbours(const T* __restrict__ from, C (&to)[N]) {
#pragma unroll
  for (int first = 0; first < N; first += W) {
    const Pack<T, W> p = *reinterpret_cast<const Pack<T, W>*>(from + first);
#pragma unroll
    for (int k = 0; k < W; ++k) to[first + k] = wide(p.v[k]);
  }
}

template <class T, class I, class C, int N>
__device__ __forceinline__ void read_apart(const T* __restrict__ from, I step, C (&to)[N]) {
#pragma unroll
  for (int k = 0; k < N; ++k) to[k] = wide(from[k * step]);
}

// SPDX-License-Identifier: Apache-2.0
// The first elements of a row in an order, by a block. An element and its index are one number of
// 64 bits, a rank: of two the larger comes first, no two are alike. A digit of eight bits at a time
// the block finds the last rank that belongs to the first ones; those are gathered and sorted.

using Rank = unsigned long long;

// Larger for larger numbers; -0 is 0, NaN the largest.
__device__ __forceinline__ unsigned order_of(float value) {
  if (value != value) return 0xffffffffu;
  const unsigned bits = value == 0 ? 0u : static_cast<unsigned>(__float_as_int(value));
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ unsigned order_of(long long value) {
  return static_cast<unsigned>(value) ^ 0x80000000u;
}
__device__ __forceinline__ unsigned order_of(unsigned long long value) {
  return static_cast<unsigned>(value);
}

template <bool kLargest, class T>
__device__ __forceinline__ Rank rank_of(T element, unsigned index) {
  const unsigned order = order_of(wide(element));
  return static_cast<Rank>(kLargest ? order : ~order) << 32 | ~index;
}

// Writes the first `count` of `size` elements, which lie `stride` apart, and their indices, if they
// are asked for. kPlaces: a power of two, no less than `count`.
template <int kThreads, int kPlaces, bool kLargest, class I, class T>
__device__ __forceinline__ void take_first(const T* from, I size, I stride, I count, T* values,
                                           long long* indices) {
  constexpr int kDigits = 256;
  __shared__ Rank places[kPlaces];
  __shared__ int counts[kDigits];
  __shared__ int digit, left, taken;
  const int thread = static_cast<int>(threadIdx.x);
  const auto rank_at = [&](I i) {
    return rank_of<kLargest>(from[i * stride], static_cast<unsigned>(i));
  };
  // The first ones are those of which what stands above `shift` is at least `prefix`.
  Rank prefix = 0;
  int shift = 64, wanted = static_cast<int>(count);
  while (wanted > 0 && shift > 0) {
    for (int d = thread; d < kDigits; d += kThreads) counts[d] = 0;
    __syncthreads();
    shift -= 8;
    for (I i = thread; i < size; i += kThreads) {
      const Rank rank = rank_at(i);
      if (shift == 56 || rank >> (shift + 8) == prefix)
        atomicAdd(&counts[static_cast<int>(rank >> shift & (kDigits - 1))], 1);
    }
    __syncthreads();
    if (thread == 0) {
      int d = kDigits - 1, more = wanted;
      while (d > 0 && counts[d] < more) more -= counts[d--];
      digit = d;
      left = counts[d] == more ? 0 : more;  // all with this digit belong to them
    }
    __syncthreads();
    prefix = prefix << 8 | static_cast<Rank>(digit);
    wanted = left;
    __syncthreads();
  }
  for (int i = thread; i < kPlaces; i += kThreads) places[i] = 0;
  if (thread == 0) taken = 0;
  __syncthreads();
  for (I i = thread; i < size; i += kThreads) {
    const Rank rank = rank_at(i);
    if (rank >> shift < prefix) continue;
    const int place = atomicAdd(&taken, 1);
    if (place < kPlaces) places[place] = rank;
  }
  // A bitonic sort, the largest first.
  for (int run = 2; run <= kPlaces; run *= 2) {
    for (int apart = run / 2; apart > 0; apart /= 2) {
      __syncthreads();
      for (int i = thread; i < kPlaces / 2; i += kThreads) {
        const int a = i / apart * apart * 2 + i % apart, b = a + apart;
        const bool falls = (a & run) == 0;
        const Rank first = places[a], second = places[b];
        if (first < second == falls) places[a] = second, places[b] = first;
      }
    }
  }
  __syncthreads();
  for (I i = thread; i < count; i += kThreads) {
    const unsigned index = ~static_cast<unsigned>(places[i]);
    if (index >= size) continue;  // there are fewer than `count`
    values[i * stride] = from[static_cast<I>(index) * stride];
    if (indices != nullptr) indices[i * stride] = index;
  }
}

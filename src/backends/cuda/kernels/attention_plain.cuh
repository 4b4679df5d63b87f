// SPDX-License-Identifier: Apache-2.0
// softmax(scores(q k^T)) v of one query by a warp, in the compute type of any float. Each lane has
// one of 32 keys at a time, and every 32nd element of the result.

// `score(product, key)`: what a product becomes; -infinity hides the key. Keys in [begin, end).
// With `zero_nan` a query whose weights are no numbers gives zeros.
template <int VALUES, class C, class T, class I, class Score>
__device__ __forceinline__ void attend_plain(const T* q, const T* k, const T* v, T* o, int size,
                                             I k_stride, I v_stride, I begin, I end, bool zero_nan,
                                             Score score) {
  constexpr int kOwn = (VALUES + 31) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const C hidden = -static_cast<C>(__int_as_float(0x7f800000));
  C sums[kOwn] = {};
  C largest = hidden, total = 0;
  for (I first = begin; first < end; first += 32) {
    const I key = first + lane;
    C each = hidden;
    if (key < end) {
      const T* row = k + key * k_stride;
      C product = 0;
      for (int d = 0; d < size; ++d) product += wide(q[d]) * wide(row[d]);
      each = score(product, key);
    }
    const C most = Largest::of(largest, reduce_group<32, Largest>(each));
    const C base = most == hidden ? static_cast<C>(0) : most;
    const C factor = exp(largest - base);
    largest = most;
    each = exp(each - base);
    total = total * factor + reduce_group<32, Add>(each);
#pragma unroll
    for (int j = 0; j < kOwn; ++j) sums[j] *= factor;
    for (int i = 0; i < 32; ++i) {
      const C weight = __shfl_sync(0xffffffffu, each, i);
      if (first + i >= end) continue;
      const T* row = v + (first + i) * v_stride;
#pragma unroll
      for (int j = 0; j < kOwn; ++j) {
        if (j * 32 + lane < VALUES) sums[j] += weight * wide(row[j * 32 + lane]);
      }
    }
  }
  const bool gone = zero_nan && total != total;
  const C inverse = total == static_cast<C>(0) ? static_cast<C>(0) : 1 / total;
#pragma unroll
  for (int j = 0; j < kOwn; ++j) {
    if (j * 32 + lane < VALUES)
      o[j * 32 + lane] = narrow<T>(gone ? static_cast<C>(0) : sums[j] * inverse);
  }
}

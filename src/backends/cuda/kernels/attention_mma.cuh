// SPDX-License-Identifier: Apache-2.0
// softmax(scores(q k^T)) v of one head for 64 queries, on tensor cores (mma.sync), with the softmax
// of the keys seen so far (Milakov and Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135):
// scores never leave registers. Elements are f16 or bf16 (STROP_BFLOAT), sums f32. Four warps of 16
// queries each share tiles of 64 keys and their values.

constexpr int kQueries = 64, kKeys = 64, kAttentionThreads = 128;

#if __CUDA_ARCH__ > 0
// 16 bytes from global to shared memory, or zeros.
__device__ __forceinline__ void copy_async(unsigned short* to, const unsigned short* from,
                                           bool inside) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int bytes = inside ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Until at most that many of the groups committed last are under way.
template <int LEFT>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
// Four 8 x 8 matrices whose rows start at the addresses that lanes 0-7, 8-15, ... give.
__device__ __forceinline__ void load_matrices(unsigned (&out)[4], const unsigned short* row) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(address)
               : "memory");
}
__device__ __forceinline__ void load_transposed(unsigned (&out)[4], const unsigned short* row) {
  const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
               : "r"(address)
               : "memory");
}
#ifdef STROP_BFLOAT
#define STROP_TENSOR_TYPE "bf16"
#else
#define STROP_TENSOR_TYPE "f16"
#endif
// c += a b for a [16, 16], b [16, 8].
__device__ __forceinline__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." STROP_TENSOR_TYPE "." STROP_TENSOR_TYPE
               ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ unsigned pack_pair(float low, float high) {
  unsigned out;
  asm("cvt.rn." STROP_TENSOR_TYPE "x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}
__device__ __forceinline__ float power_of_two(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}
#endif

// 64 rows of SIZE elements (a multiple of 8) into rows of PITCH, columns up to PADDED; zeros
// beyond.
template <int SIZE, int PADDED, int PITCH, class I>
__device__ __forceinline__ void load_rows(unsigned short* to, const unsigned short* from, I stride,
                                          int first, int count) {
  constexpr int kChunks = PADDED / 8;
#pragma unroll
  for (int at = static_cast<int>(threadIdx.x); at < 64 * kChunks; at += kAttentionThreads) {
    const int row = at / kChunks, column = at % kChunks * 8;
    const bool inside = first + row < count && column < SIZE;
    copy_async(to + row * PITCH + column,
               inside ? from + static_cast<I>(first + row) * stride + column : from, inside);
  }
}

// `score(product, query, key)`: what a product of a query and a key becomes, times log2(e);
// -infinity hides the key. Keys in [begin, end) are looked at. With `zero_nan` a
// query whose weights are no numbers gives zeros.
template <int SIZE, class I, class Score>
__device__ __forceinline__ void attend(const unsigned short* q, const unsigned short* k,
                                       const unsigned short* v, unsigned short* o, I q_stride,
                                       I k_stride, I v_stride, I o_stride, int first_query,
                                       int queries, int begin, int end, bool zero_nan,
                                       Score score) {
  constexpr int kPadded = (SIZE + 15) / 16 * 16, kPitch = kPadded + 8;
  constexpr int kSteps = kPadded / 16, kColumns = kPadded / 8;
  alignas(16) __shared__ unsigned short k_tile[kKeys * kPitch];
  alignas(16) __shared__ unsigned short v_tile[kKeys * kPitch];
  const float hidden = __int_as_float(0xff800000);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int group = lane / 4, pair = lane % 4 * 2;

  // The queries stay in registers; they come through the keys' place.
  load_rows<SIZE, kPadded, kPitch>(k_tile, q, q_stride, first_query, queries);
  commit_copies();
  wait_copies<0>();
  __syncthreads();
  unsigned q_part[kSteps][4];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    load_matrices(q_part[s], k_tile + (warp * 16 + lane % 16) * kPitch + s * 16 + lane / 16 * 8);
  }
  __syncthreads();

  float sums[kColumns][4] = {};
  float largest[2] = {hidden, hidden}, total[2] = {0.f, 0.f};
  const int first_tile = begin / kKeys * kKeys;
  load_rows<SIZE, kPadded, kPitch>(k_tile, k, k_stride, first_tile, end);
  commit_copies();
  load_rows<SIZE, kPadded, kPitch>(v_tile, v, v_stride, first_tile, end);
  commit_copies();
  for (int tile = first_tile; tile < end; tile += kKeys) {
    wait_copies<1>();
    __syncthreads();
    float scores[kKeys / 8][4] = {};
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        unsigned part[4];  // keys n*16 .. +7 and their two halves of the step, then the next eight
        load_matrices(part, k_tile + (n * 16 + lane / 16 * 8 + lane % 8) * kPitch + s * 16 +
                                lane / 8 % 2 * 8);
        multiply(scores[2 * n], q_part[s], part[0], part[1]);
        multiply(scores[2 * n + 1], q_part[s], part[2], part[3]);
      }
    }
    __syncthreads();
    if (tile + kKeys < end)
      load_rows<SIZE, kPadded, kPitch>(k_tile, k, k_stride, tile + kKeys, end);
    commit_copies();

    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first_query + warp * 16 + half * 8 + group;
      float most = largest[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int key = tile + n * 8 + pair + e;
          float& each = scores[n][half * 2 + e];
          each = key >= begin && key < end && query < queries ? score(each, query, key) : hidden;
          most = each > most || each != each ? each : most;
        }
      }
#pragma unroll
      for (int distance = 1; distance < 4; distance *= 2) {
        const float other = __shfl_xor_sync(0xffffffffu, most, distance);
        most = other > most || other != other ? other : most;
      }
      const float base = most == hidden ? 0.f : most;
      factor[half] = power_of_two(largest[half] - base);
      largest[half] = most;
      float sum = 0.f;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& each = scores[n][half * 2 + e];
          each = power_of_two(each - base);
          sum += each;
        }
      }
      total[half] = total[half] * factor[half] + sum;
    }
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      sums[n][0] *= factor[0], sums[n][1] *= factor[0];
      sums[n][2] *= factor[1], sums[n][3] *= factor[1];
    }

    wait_copies<1>();
    __syncthreads();
#pragma unroll
    for (int s = 0; s < kKeys / 16; ++s) {
      const unsigned weights[4] = {pack_pair(scores[2 * s][0], scores[2 * s][1]),
                                   pack_pair(scores[2 * s][2], scores[2 * s][3]),
                                   pack_pair(scores[2 * s + 1][0], scores[2 * s + 1][1]),
                                   pack_pair(scores[2 * s + 1][2], scores[2 * s + 1][3])};
#pragma unroll
      for (int n = 0; n < kColumns / 2; ++n) {
        unsigned part[4];
        load_transposed(part, v_tile + (s * 16 + lane % 16) * kPitch + n * 16 + lane / 16 * 8);
        multiply(sums[2 * n], weights, part[0], part[1]);
        multiply(sums[2 * n + 1], weights, part[2], part[3]);
      }
    }
    __syncthreads();
    if (tile + kKeys < end)
      load_rows<SIZE, kPadded, kPitch>(v_tile, v, v_stride, tile + kKeys, end);
    commit_copies();
  }
  wait_copies<0>();

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float all = total[half];
#pragma unroll
    for (int distance = 1; distance < 4; distance *= 2)
      all += __shfl_xor_sync(0xffffffffu, all, distance);
    // Where every key is hidden the result is zero.
    const bool gone = zero_nan && all != all;
    const float inverse = all == 0.f ? 0.f : 1.f / all;
    const int query = first_query + warp * 16 + half * 8 + group;
    if (query >= queries) continue;
#pragma unroll
    for (int n = 0; n < kColumns; ++n) {
      const int column = n * 8 + pair;
      if (column >= SIZE) continue;
      *reinterpret_cast<unsigned*>(o + static_cast<I>(query) * o_stride + column) =
          gone ? 0u : pack_pair(sums[n][half * 2] * inverse, sums[n][half * 2 + 1] * inverse);
    }
  }
}

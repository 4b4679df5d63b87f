// SPDX-License-Identifier: Apache-2.0
// What implicit_gemm_sm90.cuh knows of whole rows. With kNormalize A's rows are to be normalised:
// each column of B sums to 0, so that a row's mean adds nothing to a product, and what is left is
// the row's inverse deviation; then channel operand 0 is added. The deviation comes from sums and
// sums of squares of the row's blocks, [rows, kRowBlocks]. With kRowSums each block of kSumsBlock
// results of a row leaves its sum and sum of squares in [rows, columns / kSumsBlock]. After
// gemm_ring.cuh; before it constants of codegen/implicit_gemm_sm90.cpp.

__device__ __forceinline__ float inverse_deviation(float sum, float squares) {
  const float mean = sum * (1.f / kRowSize);
  const float variance = fmaxf(fmaf(-mean, mean, squares * (1.f / kRowSize)), 0.f);
  return rsqrtf(variance + kEpsilon);
}

__device__ __forceinline__ float inverse_deviation_of_row(const Arguments& p,
                                                          const float2* row_sums, int row) {
  float sum = 0, squares = 0;
  if (row < p.rows) {
#pragma unroll 4
    for (int b = 0; b < kRowBlocks; ++b) {
      const float2 pair = __ldcg(row_sums + static_cast<long long>(row) * kRowBlocks + b);
      sum += pair.x;
      squares += pair.y;
    }
  }
  return inverse_deviation(sum, squares);
}

template <class T, int kCount>
__device__ __forceinline__ void scale(T (&sums)[kCount], float factor, const float* bias) {
#pragma unroll
  for (int x = 0; x < kCount; ++x) sums[x] = fmaf(factor, sums[x], bias[x]);
}

// The sums of the rows that a thread has results of. Four threads share a row; what they read is
// under way while the products of the tile are made.
struct RowLoads {
  // More than these are added up when they are read.
  static constexpr int kLoads = (kRowBlocks + 3) / 4 <= 4 ? (kRowBlocks + 3) / 4 : 1;
  float2 pair[kSlices][2][kLoads];

  __device__ __forceinline__ void start(const Arguments& p, const float2* row_sums, int t, int i,
                                        int half, int row) {
    float2(&to)[kLoads] = pair[i][half];
#pragma unroll
    for (int l = 0; l < kLoads; ++l) to[l] = make_float2(0, 0);
    if (row >= p.rows) return;
    const float2* from = row_sums + static_cast<long long>(row) * kRowBlocks;
#pragma unroll
    for (int l = 0; l < kLoads; ++l) {
      if (4 * l + t < kRowBlocks) to[l] = __ldcg(from + 4 * l + t);
    }
    for (int b = 4 * kLoads + t; b < kRowBlocks; b += 4) {
      const float2 next = __ldcg(from + b);
      to[0].x += next.x;
      to[0].y += next.y;
    }
  }
  __device__ __forceinline__ float finish(int i, int half) const {
    float sum = 0, squares = 0;
#pragma unroll
    for (int l = 0; l < kLoads; ++l) sum += pair[i][half][l].x, squares += pair[i][half][l].y;
#pragma unroll
    for (int lanes = 1; lanes < 4; lanes *= 2) {
      sum += __shfl_xor_sync(~0u, sum, lanes);
      squares += __shfl_xor_sync(~0u, squares, lanes);
    }
    return inverse_deviation(sum, squares);
  }
};

// Of results of one row.
struct RowSum {
  float sum, squares;

  __device__ __forceinline__ void add(float value) {
    if (!kRowSums) return;
    sum += value;
    squares = fmaf(value, value, squares);
  }
  // The first of kLanes neighbours, who together have the block of `column`, stores what all have.
  template <int kLanes>
  __device__ __forceinline__ void give(const Arguments& p, float2* result_sums, int row,
                                       int column) {
    const u32 lane = threadIdx.x % 32;
    const u32 mask = ((1u << kLanes) - 1) << (lane / kLanes * kLanes);
#pragma unroll
    for (int lanes = 1; lanes < kLanes; lanes *= 2) {
      sum += __shfl_xor_sync(mask, sum, lanes);
      squares += __shfl_xor_sync(mask, squares, lanes);
    }
    if (lane % kLanes != 0 || row >= p.rows || column >= p.columns) return;
    const int blocks = p.columns / kSumsBlock;
    result_sums[static_cast<long long>(row) * blocks + column / kSumsBlock] =
        make_float2(sum, squares);
  }
};

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

// Of a row of A. What it reads comes late where copies fill the way to memory, so as much as
// possible is asked for at once.
__device__ __forceinline__ float inverse_deviation_of_row(const float2* row_sums, int row) {
  const float2* from = row_sums + static_cast<long long>(row) * kRowBlocks;
  float sum = 0, squares = 0;
  if constexpr (kRowBlocks % 2 == 0) {
#pragma unroll 6
    for (int b = 0; b < kRowBlocks; b += 2) {
      const float4 pairs = *reinterpret_cast<const float4*>(from + b);
      sum += pairs.x + pairs.z;
      squares += pairs.y + pairs.w;
    }
  } else {
#pragma unroll 6
    for (int b = 0; b < kRowBlocks; ++b) {
      const float2 pair = from[b];
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

// What the warps do that neither copy nor multiply: the inverse deviations of the rows of the
// block's tiles, into shared memory, up to kScaleSlots tiles ahead.
__device__ __forceinline__ void scale_rows(const Arguments& p, const Shared& s,
                                           const float2* row_sums, int first_tile, int tile_step,
                                           int rank) {
  constexpr int kRows = (kTileM + kScalers - 1) / kScalers;  // of a thread
  const int thread = threadIdx.x - kGroups * 128 - 32;
  wait_for_earlier_launch();
  int number = 0;
  for (int tile = first_tile; tile < p.tiles; tile += tile_step, ++number) {
    const int slot = number % kScaleSlots;
    barrier_wait(s.scales_empty + 8 * slot, ~(number / kScaleSlots) & 1);
    const int first = place_of(tile, p, rank).m + thread;
    float scales[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      scales[i] = inverse_deviation_of_row(row_sums, min(first + i * kScalers, p.rows - 1));
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = thread + i * kScalers;
      if (row < kTileM) store_shared_float(s.scales + (slot * kTileM + row) * 4, scales[i]);
    }
    barrier_arrive(s.scales_full + 8 * slot);
  }
}

// Of results of one row.
struct RowSum {
  float sum, squares;

  __device__ __forceinline__ void add(float value) {
    if (!kRowSums) return;
    sum += value;
    squares = fmaf(value, value, squares);
  }
};

__device__ __forceinline__ float* sums_of_block(const Arguments& p, float2* result_sums, int row,
                                                int column) {
  const int block = column / kSumsBlock, blocks = p.columns / kSumsBlock;
  return reinterpret_cast<float*>(result_sums + static_cast<long long>(row) * blocks + block);
}

// Stores what four neighbours have of a block of each of two rows, which are `apart`. A thread
// gives away half of its numbers with every exchange and is left with one that is whole.
__device__ __forceinline__ void give(const Arguments& p, float2* result_sums, int t,
                                     const RowSum (&rows)[2], int row, int apart, int column) {
  const bool squares = t & 1, second = t & 2;
  float of[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float away = squares ? rows[half].sum : rows[half].squares;
    of[half] = (squares ? rows[half].squares : rows[half].sum) + __shfl_xor_sync(~0u, away, 1);
  }
  const float away = second ? of[0] : of[1];
  const float whole = (second ? of[1] : of[0]) + __shfl_xor_sync(~0u, away, 2);
  row += second ? apart : 0;
  if (row < p.rows && column < p.columns) sums_of_block(p, result_sums, row, column)[t & 1] = whole;
}

// The same of one row and kLanes neighbours, of whom the first stores.
template <int kLanes>
__device__ __forceinline__ void give(const Arguments& p, float2* result_sums, RowSum of, int row,
                                     int column) {
  const u32 lane = threadIdx.x % 32;
  const u32 mask = ((1u << kLanes) - 1) << (lane / kLanes * kLanes);
#pragma unroll
  for (int lanes = 1; lanes < kLanes; lanes *= 2) {
    of.sum += __shfl_xor_sync(mask, of.sum, lanes);
    of.squares += __shfl_xor_sync(mask, of.squares, lanes);
  }
  if (lane % kLanes != 0 || row >= p.rows || column >= p.columns) return;
  *reinterpret_cast<float2*>(sums_of_block(p, result_sums, row, column)) =
      make_float2(of.sum, of.squares);
}

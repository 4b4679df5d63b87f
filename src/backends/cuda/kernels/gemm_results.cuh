// SPDX-License-Identifier: Apache-2.0
// Where the sums of an implicit GEMM go. After float_results.cuh or byte_results.cuh, with the type
// Sum and, where k is split (STROP_SPLIT), kStore.

// Sums of one split: [split][batch][m][n].
__device__ __forceinline__ long long partial_index(const Problem& p, int split, int batch, int m,
                                                   int n) {
  return ((static_cast<long long>(split) * p.batches + batch) * p.m + m) * p.n + n;
}

// V results of one row: to the partial sums, or through the epilogue.
template <int V>
__device__ __forceinline__ void give(const Problem& p, const Operands& operands, Output* y,
                                     Sum* partial, const Tile& tile, int m, int n, Sum (&x)[V]) {
  if (m >= p.m || n >= p.n) return;
  if constexpr (kSplit) {
    store_run(partial + partial_index(p, tile.split, tile.batch, m, n), x);
  } else {
    finish(p, operands, y, tile.batch, m, n, x);
  }
}

#if STROP_SPLIT
// The partial sums in the order of the splits, then the epilogue; one thread for kStore results.
extern "C" __global__ void __launch_bounds__(256)
    sum_splits(const Sum* __restrict__ partial, Output* __restrict__ y,
               PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int per_row = p.n / kStore;
  const long long id = blockIdx.x * 256ll + threadIdx.x;
  const long long row = id / per_row;
  if (row >= static_cast<long long>(p.batches) * p.m) return;
  const int first = static_cast<int>(id - row * per_row) * kStore;
  const int batch = static_cast<int>(row / p.m);
  const int row_m = static_cast<int>(row - static_cast<long long>(batch) * p.m);
  Sum sum[kStore];
  load_run(partial + partial_index(p, 0, batch, row_m, first), sum);
  for (int split = 1; split < p.splits; ++split) {
    Sum next[kStore];
    load_run(partial + partial_index(p, split, batch, row_m, first), next);
#pragma unroll
    for (int v = 0; v < kStore; ++v) sum[v] += next[v];
  }
  finish(p, operands, y, batch, row_m, first, sum);
}
#endif

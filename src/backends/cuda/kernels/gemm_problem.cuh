// SPDX-License-Identifier: Apache-2.0
// What kernels of matrix products and of convolutions as such (implicit GEMM) share: sizes, which
// tile a block computes, where results go. C [m, n] = sum over k of A [m, k] B [k, n], for each of
// `batches`; a convolution has
//   channels last: m = output pixels, n = filters of a group, k = (row, column, channel) of a tap,
//   plain:         m = filters of a group, n = output pixels, k the same,
// and its groups as batches. Before this text: constants k..., 0 where a size is open, and types
// Element, Output and Sum (codegen/implicit_gemm.cpp).

struct Problem {
  int m, n, k, batches, splits;
  int lead_a, lead_b;  // elements from one row of the operand in memory to the next
  int height, width, out_height, out_width;
  int batch_size1, batch_size2;  // of the inner two of three axes of batches
  long long batch_a0, batch_a1, batch_a2, batch_b0, batch_b1, batch_b2;
};

#define PROBLEM_PARAMETERS                                                                     \
  int m, int n, int k, int batches, int splits, int lead_a, int lead_b, int height, int width, \
      int out_height, int out_width, int batch_size1, int batch_size2, long long batch_a0,     \
      long long batch_a1, long long batch_a2, long long batch_b0, long long batch_b1,          \
      long long batch_b2
#define PROBLEM                                                                                   \
  Problem {                                                                                       \
    kM > 0 ? kM : m, kN > 0 ? kN : n, kK > 0 ? kK : k, kBatches > 0 ? kBatches : batches, splits, \
        kLeadA > 0 ? kLeadA : lead_a, kLeadB > 0 ? kLeadB : lead_b,                               \
        kHeight > 0 ? kHeight : height, kWidth > 0 ? kWidth : width,                              \
        kOutHeight > 0 ? kOutHeight : out_height, kOutWidth > 0 ? kOutWidth : out_width,          \
        batch_size1, batch_size2, batch_a0, batch_a1, batch_a2, batch_b0, batch_b1, batch_b2      \
  }

enum Kind { product, conv_channels_last, conv_plain };
constexpr Kind kKind = static_cast<Kind>(kKindNumber);

__device__ __forceinline__ int ceil_div(int a, int b) { return a / b + (a % b != 0); }

struct Tile {
  int m, n;  // first row and column
  int batch, split;
  int k, k_end;  // of this split
};

// Eight tiles below each other before the next column: blocks that run at once share both operands
// in L2.
__device__ __forceinline__ Tile tile_of_block(const Problem& p) {
  const int tiles_m = ceil_div(p.m, kTileM), tiles_n = ceil_div(p.n, kTileN);
  const int tiles = tiles_m * tiles_n;
  int id = static_cast<int>(blockIdx.x);
  Tile out;
  const int outer = id / tiles;
  id -= outer * tiles;
  out.batch = outer / p.splits;
  out.split = outer - out.batch * p.splits;
  constexpr int kGroup = 8;
  const int group = id / (kGroup * tiles_n);
  const int first = group * kGroup;
  const int height = min(kGroup, tiles_m - first);
  const int within = id - first * tiles_n;
  const int column = within / height;
  out.m = (first + within - column * height) * kTileM;
  out.n = column * kTileN;
  const int steps = ceil_div(ceil_div(p.k, kTileK), p.splits);
  out.k = min(out.split * steps * kTileK, p.k);
  out.k_end = min(out.k + steps * kTileK, p.k);
  return out;
}

// Elements before the operand's matrix of this batch. Convolutions: activations have the groups'
// channels beside each other, weights are packed group by group.
__device__ __forceinline__ long long batch_offset(const Problem& p, int batch, long long s0,
                                                  long long s1, long long s2) {
  if constexpr (!kBatched) return 0;
  const int i2 = batch % p.batch_size2;
  const int rest = batch / p.batch_size2;
  return rest / p.batch_size1 * s0 + rest % p.batch_size1 * s1 + i2 * s2;
}

// Element of the result that C [m, n] is.
__device__ __forceinline__ long long result_index(const Problem& p, int batch, int m, int n) {
  if constexpr (kKind == conv_channels_last) {
    return static_cast<long long>(m) * (p.n * p.batches) + batch * p.n + n;
  } else if constexpr (kKind == conv_plain) {
    const int pixels = p.out_height * p.out_width;
    const int image = n / pixels;
    return (static_cast<long long>(image) * p.batches * p.m + batch * p.m + m) * pixels +
           (n - image * pixels);
  } else {
    return (static_cast<long long>(batch) * p.m + m) * p.n + n;
  }
}

struct Operands {
  const float* channel[kChannelOperands + 1];
  const Output* tensor[kTensorOperands + 1];
};

// The epilogue on V results of one row, and their store.
template <int V>
__device__ __forceinline__ void finish(const Problem& p, const Operands& operands, Output* y,
                                       int batch, int m, int n, float (&x)[V]) {
  const long long at = result_index(p, batch, m, n);
  float channel[kChannelOperands + 1][V], tensor[kTensorOperands + 1][V];
#pragma unroll
  for (int i = 0; i < kChannelOperands; ++i) {
    if constexpr (kKind == conv_plain) {
      const float value = operands.channel[i][batch * p.m + m];
#pragma unroll
      for (int v = 0; v < V; ++v) channel[i][v] = value;
    } else {
      const int first = kKind == conv_channels_last ? batch * p.n + n : n;
      load_run(operands.channel[i] + first, channel[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kTensorOperands; ++i) load_run(operands.tensor[i] + at, tensor[i]);
#pragma unroll
  for (int v = 0; v < V; ++v) {
    float c[kChannelOperands + 1], t[kTensorOperands + 1];
#pragma unroll
    for (int i = 0; i < kChannelOperands; ++i) c[i] = channel[i][v];
#pragma unroll
    for (int i = 0; i < kTensorOperands; ++i) t[i] = tensor[i][v];
    x[v] = epilogue(x[v], c, t);
  }
  store_run(y + at, x);
}

// Sums of one split: [split][batch][m][n].
__device__ __forceinline__ long long partial_index(const Problem& p, int split, int batch, int m,
                                                   int n) {
  return ((static_cast<long long>(split) * p.batches + batch) * p.m + m) * p.n + n;
}

// V results of one row: to the partial sums, or through the epilogue.
template <int V>
__device__ __forceinline__ void give(const Problem& p, const Operands& operands, Output* y,
                                     float* partial, const Tile& tile, int m, int n,
                                     float (&x)[V]) {
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
    sum_splits(const float* __restrict__ partial, Output* __restrict__ y,
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
  float sum[kStore];
  load_run(partial + partial_index(p, 0, batch, row_m, first), sum);
  for (int split = 1; split < p.splits; ++split) {
    float next[kStore];
    load_run(partial + partial_index(p, split, batch, row_m, first), next);
#pragma unroll
    for (int v = 0; v < kStore; ++v) sum[v] += next[v];
  }
  finish(p, operands, y, batch, row_m, first, sum);
}
#endif

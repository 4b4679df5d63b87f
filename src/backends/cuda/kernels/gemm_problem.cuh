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
  // Of bytes: sums of a channel's weights, x's zero point where only running tells it, what is
  // requantised with the sums, what results are looked up in.
  const int* weight_sums;
  const void* zero;
  const unsigned char *residual, *table;
};

// x's zero point, of bytes.
__device__ __forceinline__ int x_zero(const Operands& operands) {
  if (!kZeroGiven) return kXZero;
  return kSignedX ? *static_cast<const signed char*>(operands.zero)
                  : *static_cast<const unsigned char*>(operands.zero);
}

// V numbers of a channel operand: those of the channels from `first` on, or the only one there is.
template <int V>
__device__ __forceinline__ void load_channel(const Operands& operands, int i, int first,
                                             float (&to)[V]) {
  if (kSingleOperands >> i & 1) {
    const float value = *operands.channel[i];
#pragma unroll
    for (int v = 0; v < V; ++v) to[v] = value;
  } else {
    load_run(operands.channel[i] + first, to);
  }
}

// SPDX-License-Identifier: Apache-2.0
// The products of a tile of f32 on tensor cores that take TF32. After gemm_ring.cuh.
//
// Each operand is the sum of two TF32 numbers, x = high + low to within 2^-23 |x|, and
//   a b = high(a) high(b) + (high(a) low(b) + low(a) high(b)) to within 2^-21.
// Weights are split when they are packed; A in registers, out of which wgmma takes it. Tensor cores
// cut off what a sum has no room for instead of rounding it, which grows with K: the sum of a stage
// begins at 0, takes the small products before the large ones, and is added by f32 additions. An
// infinity in A or B gives NaN.
//
// A thread of a quad reads runs of kBlockBytes / 4 of a row of A and calls them the columns t and
// t + 4 of one step after the other; the packed weights have their K in the same order.

constexpr int kSteps = 4;                       // of K, of a stage: 32 bytes each
constexpr int kBlockSteps = kBlockBytes / 32;   // of a block
constexpr int kBlockChunks = kBlockBytes / 64;  // of 16 bytes, that a thread reads of a row
// Reading and splitting A takes time beside products: those of another group, or, where there is
// but one, of the stage before.
constexpr bool kReadsAhead = kGroups == 1;

struct SplitOperand {
  int high[kSlices][kSteps][4], low[kSlices][kSteps][4];
};

__device__ __forceinline__ void split(u32 word, int& high, int& low) {
  const float value = __int_as_float(static_cast<int>(word));
  constexpr float kLargestRounded = 0x1.ffep127f;  // beyond, rounding up gives an infinity
  high = static_cast<int>((word + (fabsf(value) < kLargestRounded ? 0x1000 : 0)) & 0xffffe000);
  low = __float_as_int(value - __int_as_float(high));
}

// `row`: the first of the warpgroup's rows in the tile.
__device__ __forceinline__ void read_operand(u32 stage, int row, SplitOperand& out) {
  const int lane = threadIdx.x % 32, t = lane % 4;
  const int first = row + threadIdx.x / 32 % 4 * 16 + lane / 4;
#pragma unroll
  for (int u = 0; u < kBlocks; ++u) {
#pragma unroll
    for (int i = 0; i < kSlices; ++i) {
#pragma unroll
      for (int chunk = 0; chunk < kBlockChunks; ++chunk) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const Words words = load_shared(swizzled<kBlockBytes>(
              stage + u * kBlockM, first + i * 64 + half * 8, t * kBlockChunks + chunk));
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int step = u * kBlockSteps + chunk * 2 + e / 2, at = e % 2 * 2 + half;
            split(words.word[e], out.high[i][step][at], out.low[i][step][at]);
          }
        }
      }
    }
  }
}

// The products of the first kCount blocks of a stage; beside them reads `next` out of the stage
// `ahead`. Products read their registers until they have ended, which the compiler minds in code
// without branches alone.
template <int kCount>
__device__ __forceinline__ void multiply_stage(const SplitOperand& a, u32 weights, u32 ahead,
                                               int row, float (&sums)[kSlices][kAccumulators],
                                               SplitOperand& next) {
  pin_all(sums);
  product_fence();
  const auto weights_of = [&](int step, int part) {
    return product_operand(weights + step / kBlockSteps * kWeights + part * kBlockN, kBlockBytes) +
           step % kBlockSteps * 2;
  };
#pragma unroll
  for (int step = 0; step < kCount * kBlockSteps; ++step) {
#pragma unroll
    for (int i = 0; i < kSlices; ++i) {
      multiply(sums[i], a.low[i][step], weights_of(step, 0), step != 0);
      multiply(sums[i], a.high[i][step], weights_of(step, 1), true);
    }
  }
#pragma unroll
  for (int step = 0; step < kCount * kBlockSteps; ++step) {
#pragma unroll
    for (int i = 0; i < kSlices; ++i) multiply(sums[i], a.high[i][step], weights_of(step, 0), true);
  }
  product_commit();
  if (kReadsAhead) read_operand(ahead, row, next);
  product_wait<0>();
  pin_all(sums);
}

// As in gemm_products.cuh, but all products have ended.
__device__ __forceinline__ int accumulate(const Arguments& p, const Shared& s, Ring ring, int count,
                                          int row, u32 next_turn,
                                          float (&sums)[kSlices][kAccumulators]) {
#pragma unroll
  for (int i = 0; i < kSlices; ++i)
#pragma unroll
    for (int j = 0; j < kAccumulators; ++j) sums[i][j] = 0;
  SplitOperand a, next;
  int last = ring.stage;
  barrier_wait(s.full + 8 * ring.stage, ring.parity);
  read_operand(s.stages + ring.stage * kStage, row, a);
  for (int k = 0; k < count; k += kBlocks) {
    const bool more = k + kBlocks < count;
    if (kPingPong && !more) give_turn(next_turn);
    last = ring.stage;
    ring.advance(p.stages);
    const u32 ahead = s.stages + ring.stage * kStage;  // without more, what is read is not used
    if (kReadsAhead && more) barrier_wait(s.full + 8 * ring.stage, ring.parity);
    const u32 weights = kResident ? s.weights + k * kWeights : s.stages + last * kStage + kStageA;
    float part[kSlices][kAccumulators];
    if (kBlocks == 1 || k + kBlocks <= count) {
      multiply_stage<kBlocks>(a, weights, ahead, row, part, next);
    } else {
      multiply_stage<1>(a, weights, ahead, row, part, next);
    }
    if (more) release(s.empty + 8 * last);
#pragma unroll
    for (int i = 0; i < kSlices; ++i)
#pragma unroll
      for (int j = 0; j < kAccumulators; ++j) sums[i][j] += part[i][j];
    if (!kReadsAhead && more) {
      barrier_wait(s.full + 8 * ring.stage, ring.parity);
      read_operand(ahead, row, next);
    }
    a = next;
  }
  return last;
}

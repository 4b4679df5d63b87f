// SPDX-License-Identifier: Apache-2.0
// The products of a tile whose elements the tensor cores multiply as they are: halves and bytes.
// After gemm_ring.cuh.

// All products of a tile. `next_turn` is the barrier that lets another group begin; the last stage
// is still to be released.
__device__ __forceinline__ int accumulate(const Arguments& p, const Shared& s, Ring ring, int count,
                                          int row, u32 next_turn,
                                          SumType (&sums)[kSlices][kAccumulators]) {
  int unreleased = -1;
  for (int k = 0; k < count; k += kBlocks) {
    barrier_wait(s.full + 8 * ring.stage, ring.parity);
    if (kPingPong && k + kBlocks >= count) give_turn(next_turn);
    const u32 stage = s.stages + ring.stage * kStage;
    const u32 weights = kResident ? s.weights + k * kWeights : stage + kStageA;
    pin_all(sums);
    product_fence();
#pragma unroll
    for (int u = 0; u < kBlocks; ++u) {
      if (kBlocks > 1 && k + u >= count) break;
      const u64 a = product_operand(stage + u * kBlockM + row * kBlockBytes, kBlockBytes);
      const u64 b = product_operand(weights + u * kWeights, kBlockBytes);
#pragma unroll
      for (int step = 0; step < kBlockBytes / 32; ++step) {
#pragma unroll
        for (int i = 0; i < kSlices; ++i) {
          multiply(sums[i], a + step * 2 + i * (64 * kBlockBytes / 16), b + step * 2,
                   (k | u | step) != 0);
        }
      }
    }
    product_commit();
    product_wait<1>();
    if (unreleased >= 0) release(s.empty + 8 * unreleased);
    unreleased = ring.stage;
    ring.advance(p.stages);
  }
  return unreleased;
}

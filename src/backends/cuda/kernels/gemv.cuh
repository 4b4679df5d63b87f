// SPDX-License-Identifier: Apache-2.0
// Products of few rows by a matrix that streams through once: C [m, n] with m at most 8, A [m][k],
// B packed [n][k] with rows of whole 16 bytes, zeros at their ends. kPer warps share a column; sums
// in f32, the same order every time. After gemm_copies.cuh.

constexpr int kRun = 16 / sizeof(Element);
constexpr int kWarps = kThreads / 32;

extern "C" __global__ void __launch_bounds__(kThreads)
    gemv(const Element* __restrict__ a, const Element* __restrict__ b, Output* __restrict__ y,
         float* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  __shared__ float parts[kWarps][kM];
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int c = static_cast<int>(blockIdx.x) * (kWarps / kPer) + warp / kPer;
  const Element* column = b + static_cast<long long>(min(c, p.n - 1)) * p.lead_b;

  float sum[kM] = {};
#pragma unroll 4
  for (int k = (warp % kPer * 32 + lane) * kRun; k < p.k; k += 32 * kPer * kRun) {
    float w[kRun];
    load_run(column + k, w);
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      const Element* row = a + static_cast<long long>(m) * p.k + k;
      float x[kRun];
      if constexpr (kVectorA == kRun) {
        load_run(row, x);
      } else {
#pragma unroll
        for (int v = 0; v < kRun; ++v) x[v] = k + v < p.k ? to_float(row[v]) : 0.f;
      }
#pragma unroll
      for (int v = 0; v < kRun; ++v) sum[m] = fmaf(x[v], w[v], sum[m]);
    }
  }
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) sum[m] += __shfl_xor_sync(~0u, sum[m], step);
    if (lane == 0) parts[warp][m] = sum[m];
  }
  __syncthreads();
  if (warp % kPer != 0 || c >= p.n || lane >= kM) return;
  float out[1] = {parts[warp][lane]};
#pragma unroll
  for (int i = 1; i < kPer; ++i) out[0] += parts[warp + i][lane];
  finish(p, operands, y, 0, lane, c, out);
}

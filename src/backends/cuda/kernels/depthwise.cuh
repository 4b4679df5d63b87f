// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution, channels last: a thread computes kStrip output pixels beside each other of
// kStore channels, sums in f32 in the order of the taps, or in s32. After gemm_copies.cuh and
// gemm_results.cuh, with n = channels, k = taps and B = [tap][channel].

// Input columns of the strip, and whether a thread keeps one row of them in registers.
constexpr int kColumns = (kStrip - 1) * kStrideW + (kKernelW - 1) * kDilationW + 1;
constexpr bool kKeep = kColumns * kStore <= 96;

// Less the zero point, which padding is.
__device__ __forceinline__ void load_pixel(const Problem& p, const Element* row, int column,
                                           int zero, Sum (&to)[kStore]) {
  if (static_cast<unsigned>(column) < static_cast<unsigned>(p.width)) {
    load_run(row + static_cast<long long>(column) * p.n, to);
    if constexpr (kHasZero) {
#pragma unroll
      for (int v = 0; v < kStore; ++v) to[v] -= zero;
    }
  } else {
#pragma unroll
    for (int v = 0; v < kStore; ++v) to[v] = 0;
  }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    depthwise(const Element* __restrict__ x, const Weight* __restrict__ w, Output* __restrict__ y,
              Sum* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int runs = p.n / kStore, strips = ceil_div(p.out_width, kStrip);
  const long long id = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x;
  const long long at = id / runs;
  const int channel = static_cast<int>(id - at * runs) * kStore;
  const int line = static_cast<int>(at / strips);  // row of one of the images
  const int ox = static_cast<int>(at - static_cast<long long>(line) * strips) * kStrip;
  if (static_cast<long long>(line) * p.out_width >= p.m) return;
  const int image = line / p.out_height, oy = line - image * p.out_height;
  const int y0 = oy * kStrideH - kPadTop, x0 = ox * kStrideW - kPadLeft;

  const int zero = kHasZero ? x_zero(operands) : 0;
  Sum sum[kStrip][kStore] = {};
  for (int r = 0; r < kKernelH; ++r) {
    const int iy = y0 + r * kDilationH;
    if (static_cast<unsigned>(iy) >= static_cast<unsigned>(p.height)) continue;
    const Element* row =
        x + (static_cast<long long>(image) * p.height + iy) * p.width * p.n + channel;
    Sum kept[kKeep ? kColumns : 1][kStore];
    if constexpr (kKeep) {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) load_pixel(p, row, x0 + c, zero, kept[c]);
    }
#pragma unroll
    for (int s = 0; s < kKernelW; ++s) {
      Sum weight[kStore];
      load_run(w + (r * kKernelW + s) * p.lead_b + channel, weight);
#pragma unroll
      for (int i = 0; i < kStrip; ++i) {
        const int column = i * kStrideW + s * kDilationW;
        if constexpr (!kKeep) load_pixel(p, row, x0 + column, zero, kept[0]);
#pragma unroll
        for (int v = 0; v < kStore; ++v)
          sum[i][v] = multiply_add(kept[kKeep ? column : 0][v], weight[v], sum[i][v]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kStrip; ++i) {
    if (ox + i < p.out_width)
      finish(p, operands, y, 0, line * p.out_width + ox + i, channel, sum[i]);
  }
}

// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of few taps, channels last: a thread computes kRows rows of kStrip output
// pixels of kStore channels on its way down the image. It reads each row of x once, kAhead rows
// before it is needed, adds it to the sums of all rows of results that it is part of (f32, in the
// order of the taps), and keeps its filters in registers. After gemm_copies.cuh, with n = channels,
// k = taps and B = [tap][channel].

constexpr int kColumns = (kStrip - 1) * kStrideW + (kKernelW - 1) * kDilationW + 1;
constexpr int kReach = (kRows - 1) * kStrideH + (kKernelH - 1) * kDilationH + 1;
constexpr int kWords = kStore * sizeof(Element) / 4;

// The row of the window of results' row o that row i of x is; -1 when it is none.
__device__ constexpr int window_row(int i, int o) {
  const int r = i - o * kStrideH;
  return r >= 0 && r % kDilationH == 0 && r / kDilationH < kKernelH ? r / kDilationH : -1;
}

__device__ constexpr bool is_read(int i) {
  for (int o = 0; o < kRows; ++o) {
    if (window_row(i, o) >= 0) return true;
  }
  return false;
}

__device__ __forceinline__ void widen(const Words<kWords>& in, float (&out)[kStore]) {
#pragma unroll
  for (int i = 0; i < kWords; ++i) {
    if constexpr (sizeof(Element) == 2) {
      unpack(in.word[i], out[2 * i], out[2 * i + 1], Element{});
    } else {
      out[i] = __int_as_float(static_cast<int>(in.word[i]));
    }
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    depthwise(const Element* __restrict__ x, const Element* __restrict__ w, Output* __restrict__ y,
              float* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int runs = p.n / kStore, strips = ceil_div(p.out_width, kStrip);
  const int parts = ceil_div(p.out_height, kRows);
  const long long id = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x;
  const int at = static_cast<int>(id / runs);
  const int channel = static_cast<int>(id - static_cast<long long>(at) * runs) * kStore;
  const int line = at / strips;
  const int ox = (at - line * strips) * kStrip;
  const int image = line / parts, oy = (line - image * parts) * kRows;
  if (static_cast<long long>(image) * p.out_height * p.out_width >= p.m) return;
  const int y0 = oy * kStrideH - kPadTop, x0 = ox * kStrideW - kPadLeft;
  const Element* first =
      x + ((static_cast<long long>(image) * p.height + y0) * p.width + x0) * p.n + channel;

  Words<kWords> rows[kReach][kColumns];
  const auto read = [&](int i) {
    const bool inside = static_cast<unsigned>(y0 + i) < static_cast<unsigned>(p.height);
    const Element* row = first + static_cast<long long>(i) * p.width * p.n;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      rows[i][c] = {};
      if (inside && static_cast<unsigned>(x0 + c) < static_cast<unsigned>(p.width))
        rows[i][c] = load_words<kWords>(row + c * p.n);
    }
  };
#pragma unroll
  for (int i = 0; i < kAhead && i < kReach; ++i) {
    if (is_read(i)) read(i);
  }
  float filter[kKernelH * kKernelW][kStore];
#pragma unroll
  for (int i = 0; i < kKernelH * kKernelW; ++i) load_run(w + i * p.lead_b + channel, filter[i]);
  const Channels<kStore> channels = channels_of<kStore>(p, operands, 0, 0, channel);

  float sum[kRows][kStrip][kStore] = {};
#pragma unroll
  for (int i = 0; i < kReach; ++i) {
    if (i + kAhead < kReach && is_read(i + kAhead)) read(i + kAhead);
    if (!is_read(i)) continue;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      float value[kStore];
      widen(rows[i][c], value);
#pragma unroll
      for (int o = 0; o < kRows; ++o) {
        const int r = window_row(i, o);
        if (r < 0) continue;
#pragma unroll
        for (int s = 0; s < kKernelW; ++s) {
          const int from = c - s * kDilationW;
          if (from < 0 || from % kStrideW != 0 || from / kStrideW >= kStrip) continue;
#pragma unroll
          for (int v = 0; v < kStore; ++v)
            sum[o][from / kStrideW][v] =
                fmaf(value[v], filter[r * kKernelW + s][v], sum[o][from / kStrideW][v]);
        }
      }
    }
#pragma unroll
    for (int o = 0; o < kRows; ++o) {
      if (window_row(i, o) != kKernelH - 1 || oy + o >= p.out_height) continue;
#pragma unroll
      for (int j = 0; j < kStrip; ++j) {
        if (ox + j < p.out_width)
          finish(p, operands, channels, y, 0,
                 (image * p.out_height + oy + o) * p.out_width + ox + j, channel, sum[o][j]);
      }
    }
  }
}

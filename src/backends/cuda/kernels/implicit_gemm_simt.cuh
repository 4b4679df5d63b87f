// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions in exact FP32: every product and sum is one fused multiply-add
// in f32, in the order of k within a split. After elements.cuh and gemm_problem.cuh.
//
// A tile lies in shared memory as its operand lies in global memory, so that all copies are
// asynchronous: [rows][kTileK + 4] where k is innermost (the padding spreads the rows over the
// banks), [kTileK][columns] where it is not. A warp is 4 x 8 threads of kThreadM x kThreadN sums.

constexpr int kWarpM = 4 * kThreadM, kWarpN = 8 * kThreadN;
constexpr int kWarpsM = kTileM / kWarpM, kWarpsN = kTileN / kWarpN;
constexpr int kThreads = 32 * kWarpsM * kWarpsN;
constexpr int kInnerRow = kTileK + 4;
constexpr int kFloatsA = kInnerA ? kTileM * kInnerRow : kTileM * kTileK;
constexpr int kFloatsB = kInnerB ? kTileN * kInnerRow : kTileN * kTileK;

// How the threads share the copies of a tile of kRows x kColumns, V elements each.
template <int kRows, int kColumns, int V>
struct Shares {
  static constexpr int kPerRow = kColumns / V;
  static constexpr int kRowsAtOnce = kThreads / kPerRow;
  static constexpr int kCopies = (kRows + kRowsAtOnce - 1) / kRowsAtOnce;
  static_assert(kThreads % kPerRow == 0, "a thread keeps its column");
  static __device__ __forceinline__ int column() {
    return static_cast<int>(threadIdx.x) % kPerRow * V;
  }
  static __device__ __forceinline__ int row(int i) {
    return static_cast<int>(threadIdx.x) / kPerRow + i * kRowsAtOnce;
  }
  static __device__ __forceinline__ bool has(int row) {
    return kRows % kRowsAtOnce == 0 || row < kRows;
  }
};

// A dense matrix [outer][inner] of which the tile is [kRows][kColumns].
template <int kRows, int kColumns, int kStride, int V>
__device__ __forceinline__ void copy_dense(unsigned to, const float* from, int lead, int row0,
                                           int row_end, int column0, int column_end) {
  using Share = Shares<kRows, kColumns, V>;
  const int column = column0 + Share::column();
  const float* first = from + static_cast<long long>(row0 + Share::row(0)) * lead + column;
#pragma unroll
  for (int i = 0; i < Share::kCopies; ++i) {
    const int row = Share::row(i);
    if (!Share::has(row)) continue;
    const bool valid = row0 + row < row_end && column < column_end;
    copy_async<4 * V>(to + 4 * (row * kStride + Share::column()),
                      first + static_cast<long long>(i * Share::kRowsAtOnce) * lead, valid);
  }
}

// Where an output pixel's window begins: elements from the start of x, and its row and column.
struct Window {
  long long at;
  int y, x;
};

__device__ __forceinline__ Window window_of(const Problem& p, int pixel, int pixels,
                                            int pixel_stride, int image_channels) {
  if (pixel >= pixels) return {0, -(1 << 30), 0};
  const int per_image = p.out_height * p.out_width;
  const int image = pixel / per_image;
  const int within = pixel - image * per_image;
  const int oy = within / p.out_width;
  Window out;
  out.y = oy * kStrideH - kPadTop;
  out.x = (within - oy * p.out_width) * kStrideW - kPadLeft;
  out.at = static_cast<long long>(image) * image_channels * p.height * p.width +
           (static_cast<long long>(out.y) * p.width + out.x) * pixel_stride;
  return out;
}

__device__ __forceinline__ bool inside(const Problem& p, const Window& window, int dy, int dx) {
  return static_cast<unsigned>(window.y + dy) < static_cast<unsigned>(p.height) &&
         static_cast<unsigned>(window.x + dx) < static_cast<unsigned>(p.width);
}

// Channels last: rows of the tile are pixels, their windows lie in shared memory.
__device__ __forceinline__ void copy_pixels(unsigned to, const float* x, const Problem& p,
                                            const Window* windows, int k0, int k_end) {
  using Share = Shares<kTileM, kTileK, kVectorA>;
  const int k = k0 + Share::column();
  const int tap = k / kChannels;
  const int dy = tap / kKernelW * kDilationH, dx = tap % kKernelW * kDilationW;
  const int channels = kChannels * p.batches;
  const long long offset =
      (static_cast<long long>(dy) * p.width + dx) * channels + (k - tap * kChannels);
#pragma unroll
  for (int i = 0; i < Share::kCopies; ++i) {
    const int row = Share::row(i);
    if (!Share::has(row)) continue;
    const Window window = windows[row];
    const bool valid = k < k_end && inside(p, window, dy, dx);
    copy_async<4 * kVectorA>(to + 4 * (row * kInnerRow + Share::column()), x + window.at + offset,
                             valid);
  }
}

// Plain: columns of the tile are pixels; a thread has one of them, or kVectorB adjacent ones of a
// 1x1 window.
__device__ __forceinline__ void copy_planes(unsigned to, const float* x, const Problem& p,
                                            const Window& window, int k0, int k_end) {
  using Share = Shares<kTileK, kTileN, kVectorB>;
  const long long plane = static_cast<long long>(p.height) * p.width;
#pragma unroll
  for (int i = 0; i < Share::kCopies; ++i) {
    const int row = Share::row(i);
    if (!Share::has(row)) continue;
    // Where a step of k stays within one tap all rows have it in common.
    const int tap = (kChannels % kTileK == 0 ? k0 : k0 + row) / kChannels;
    const int channel = k0 + row - tap * kChannels;
    const int dy = tap / kKernelW * kDilationH, dx = tap % kKernelW * kDilationW;
    const bool valid = k0 + row < k_end && inside(p, window, dy, dx);
    const long long offset = channel * plane + static_cast<long long>(dy) * p.width + dx;
    copy_async<4 * kVectorB>(to + 4 * (row * kTileN + Share::column()), x + window.at + offset,
                             valid);
  }
}

// Row or column of the tile that a thread's sum i is in.
template <bool kInner, int kLanes>
__device__ __forceinline__ int place(int warp, int lane, int per_thread, int i) {
  const int first = warp * kLanes * per_thread;
  return kInner ? first + lane + kLanes * i : first + lane * 4 + i % 4 + i / 4 * 4 * kLanes;
}

// Steps of k whose operands a thread has in registers at once.
constexpr int kAtOnce = kThreadM * kThreadN >= 64 && (kInnerA || kInnerB) ? 2 : 4;

// kCount values of each of so many steps.
template <bool kInner, int kLanes, int kCount, int kTile>
__device__ __forceinline__ void load_fragment(const float* tile, int warp, int lane, int k,
                                              float (&to)[kAtOnce][kCount]) {
  if constexpr (kInner) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      float in[kAtOnce];
      load_run(tile + place<true, kLanes>(warp, lane, kCount, i) * kInnerRow + k, in);
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) to[j][i] = in[j];
    }
  } else {
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
#pragma unroll
      for (int i = 0; i < kCount; i += 4) {
        float in[4];
        load_run(tile + (k + j) * kTile + place<false, kLanes>(warp, lane, kCount, i), in);
#pragma unroll
        for (int v = 0; v < 4; ++v) to[j][i + v] = in[v];
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    implicit_gemm(const float* __restrict__ a, const float* __restrict__ b, Output* __restrict__ y,
                  float* __restrict__ partial, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  extern __shared__ __align__(16) float shared[];
  __shared__ Window windows[kKind == conv_channels_last ? kTileM : 1];
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const Tile tile = tile_of_block(p);

  const int thread = static_cast<int>(threadIdx.x);
  Window window{};
  if constexpr (kKind == conv_channels_last) {
    const int channels = kChannels * p.batches;
    for (int row = thread; row < kTileM; row += kThreads) {
      windows[row] = window_of(p, tile.m + row, p.m, channels, channels);
      windows[row].at += tile.batch * kChannels;
    }
    b += static_cast<long long>(tile.batch) * p.k * p.lead_b;
    __syncthreads();
  } else if constexpr (kKind == conv_plain) {
    using Share = Shares<kTileK, kTileN, kVectorB>;
    window = window_of(p, tile.n + Share::column(), p.n, 1, kChannels * p.batches);
    window.at += static_cast<long long>(tile.batch) * kChannels * p.height * p.width;
    a += static_cast<long long>(tile.batch) * p.k * p.lead_a;
  } else {
    a += batch_offset(p, tile.batch, p.batch_a0, p.batch_a1, p.batch_a2);
    b += batch_offset(p, tile.batch, p.batch_b0, p.batch_b1, p.batch_b2);
  }

  const auto copy_step = [&](int slot, int k) {
    const unsigned to_a = shared_address(shared + slot * (kFloatsA + kFloatsB));
    const unsigned to_b = to_a + 4 * kFloatsA;
    if constexpr (kKind == conv_channels_last) {
      copy_pixels(to_a, a, p, windows, k, tile.k_end);
    } else if constexpr (kInnerA) {
      copy_dense<kTileM, kTileK, kInnerRow, kVectorA>(to_a, a, p.lead_a, tile.m, p.m, k,
                                                      tile.k_end);
    } else {
      copy_dense<kTileK, kTileM, kTileM, kVectorA>(to_a, a, p.lead_a, k, tile.k_end, tile.m, p.m);
    }
    if constexpr (kKind == conv_plain) {
      copy_planes(to_b, b, p, window, k, tile.k_end);
    } else if constexpr (kInnerB) {
      copy_dense<kTileN, kTileK, kInnerRow, kVectorB>(to_b, b, p.lead_b, tile.n, p.n, k,
                                                      tile.k_end);
    } else {
      copy_dense<kTileK, kTileN, kTileN, kVectorB>(to_b, b, p.lead_b, k, tile.k_end, tile.n, p.n);
    }
  };

  const int warp = thread / 32, lane = thread % 32;
  const int warp_m = warp / kWarpsN, warp_n = warp % kWarpsN;
  const int lane_m = lane / 8, lane_n = lane % 8;

  float sum[kThreadM][kThreadN] = {};
  const int steps = ceil_div(tile.k_end - tile.k, kTileK);
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) {
    if (i < steps) copy_step(i, tile.k + i * kTileK);
    commit_copies();
  }
  int slot = 0;
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    __syncthreads();
    const int ahead = step + kStages - 1;
    if (ahead < steps) copy_step(slot == 0 ? kStages - 1 : slot - 1, tile.k + ahead * kTileK);
    commit_copies();
    const float* tile_a = shared + slot * (kFloatsA + kFloatsB);
    const float* tile_b = tile_a + kFloatsA;
#pragma unroll
    for (int k = 0; k < kTileK; k += kAtOnce) {
      float x[kAtOnce][kThreadM], w[kAtOnce][kThreadN];
      load_fragment<kInnerA, 4, kThreadM, kTileM>(tile_a, warp_m, lane_m, k, x);
      load_fragment<kInnerB, 8, kThreadN, kTileN>(tile_b, warp_n, lane_n, k, w);
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
#pragma unroll
        for (int r = 0; r < kThreadM; ++r) {
#pragma unroll
          for (int c = 0; c < kThreadN; ++c) sum[r][c] = fmaf(x[j][r], w[j][c], sum[r][c]);
        }
      }
    }
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }

#pragma unroll
  for (int r = 0; r < kThreadM; ++r) {
    const int m = tile.m + place<kInnerA, 4>(warp_m, lane_m, kThreadM, r);
#pragma unroll
    for (int c = 0; c < kThreadN; c += kStore) {
      const int n = tile.n + place<kInnerB, 8>(warp_n, lane_n, kThreadN, c);
      float out[kStore];
#pragma unroll
      for (int v = 0; v < kStore; ++v) out[v] = sum[r][c + v];
      give(p, operands, y, partial, tile, m, n, out);
    }
  }
}

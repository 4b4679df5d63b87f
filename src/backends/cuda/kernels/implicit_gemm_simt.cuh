// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions in exact FP32: every product and sum is one fused multiply-add
// in f32, in the order of k within a split. After gemm_copies.cuh.
//
// A tile lies in shared memory as its operand lies in global memory, so that all copies are
// asynchronous: [rows][kTileK + 4] where k is innermost (the padding spreads the rows over the
// banks), [kTileK][columns] where it is not. A warp is 4 x 8 threads of kPartM x kPartN sums.

constexpr int kWarpM = 4 * kPartM, kWarpN = 8 * kPartN;
constexpr int kWarpsM = kTileM / kWarpM, kWarpsN = kTileN / kWarpN;
constexpr int kInnerRow = kTileK + 4;
constexpr int kFloatsA = kInnerA ? kTileM * kInnerRow : kTileM * kTileK;
constexpr int kFloatsB = kInnerB ? kTileN * kInnerRow : kTileN * kTileK;

// Bytes from the start of a tile to an element.
struct TileInner {
  static __device__ __forceinline__ unsigned at(int row, int column) {
    return 4 * (row * kInnerRow + column);
  }
};
template <int kColumns>
struct TileOuter {
  static __device__ __forceinline__ unsigned at(int row, int column) {
    return 4 * (row * kColumns + column);
  }
};

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
    copy_run<kVectorB>(to + TileOuter<kTileN>::at(row, Share::column()), x + window.at + offset,
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
constexpr int kAtOnce = kPartM * kPartN >= 64 && (kInnerA || kInnerB) ? 2 : 4;

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
    implicit_gemm(const Element* a, const Element* b, Output* __restrict__ y,
                  float* __restrict__ partial, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  extern __shared__ __align__(16) float shared[];
  __shared__ Window windows[kKind == conv_channels_last ? kTileM : 1];
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const Tile tile = tile_of_block(p);

  const int thread = static_cast<int>(threadIdx.x);
  Window window{};
  if constexpr (kKind == conv_plain) {
    using Share = Shares<kTileK, kTileN, kVectorB>;
    window = window_of(p, tile.n + Share::column(), p.n, 1, kChannels * p.batches);
    window.at += static_cast<long long>(tile.batch) * kChannels * p.height * p.width;
    a += static_cast<long long>(tile.batch) * p.k * p.lead_a;
  } else {
    to_batch(p, tile, a, b, windows);
  }

  const auto copy_step = [&](int slot, int k) {
    const unsigned to_a = shared_address(shared + slot * (kFloatsA + kFloatsB));
    const unsigned to_b = to_a + 4 * kFloatsA;
    if constexpr (kKind == conv_channels_last) {
      copy_pixels<TileInner>(to_a, a, p, windows, k, tile.k_end);
    } else if constexpr (kInnerA) {
      copy_dense<kTileM, kTileK, kVectorA, TileInner>(to_a, a, p.lead_a, tile.m, p.m, k,
                                                      tile.k_end);
    } else {
      copy_dense<kTileK, kTileM, kVectorA, TileOuter<kTileM>>(to_a, a, p.lead_a, k, tile.k_end,
                                                              tile.m, p.m);
    }
    if constexpr (kKind == conv_plain) {
      copy_planes(to_b, b, p, window, k, tile.k_end);
    } else if constexpr (kInnerB) {
      copy_dense<kTileN, kTileK, kVectorB, TileInner>(to_b, b, p.lead_b, tile.n, p.n, k,
                                                      tile.k_end);
    } else {
      copy_dense<kTileK, kTileN, kVectorB, TileOuter<kTileN>>(to_b, b, p.lead_b, k, tile.k_end,
                                                              tile.n, p.n);
    }
  };

  const int warp = thread / 32, lane = thread % 32;
  const int warp_m = warp / kWarpsN, warp_n = warp % kWarpsN;
  const int lane_m = lane / 8, lane_n = lane % 8;

  float sum[kPartM][kPartN] = {};
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
      float x[kAtOnce][kPartM], w[kAtOnce][kPartN];
      load_fragment<kInnerA, 4, kPartM, kTileM>(tile_a, warp_m, lane_m, k, x);
      load_fragment<kInnerB, 8, kPartN, kTileN>(tile_b, warp_n, lane_n, k, w);
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
#pragma unroll
        for (int r = 0; r < kPartM; ++r) {
#pragma unroll
          for (int c = 0; c < kPartN; ++c) sum[r][c] = fmaf(x[j][r], w[j][c], sum[r][c]);
        }
      }
    }
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }

#pragma unroll
  for (int r = 0; r < kPartM; ++r) {
    const int m = tile.m + place<kInnerA, 4>(warp_m, lane_m, kPartM, r);
#pragma unroll
    for (int c = 0; c < kPartN; c += kStore) {
      const int n = tile.n + place<kInnerB, 8>(warp_n, lane_n, kPartN, c);
      float out[kStore];
#pragma unroll
      for (int v = 0; v < kStore; ++v) out[v] = sum[r][c + v];
      give(p, operands, y, partial, tile, m, n, out);
    }
  }
}

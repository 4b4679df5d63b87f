// SPDX-License-Identifier: Apache-2.0
// Matrix products and convolutions (channels last) of f16 or bf16 on the tensor cores of every chip
// from sm_80 on, sums in f32; of bytes by signed bytes, both with k innermost, with exact sums in
// s32. After gemm_copies.cuh and gemm_results.cuh.
//
// A tile lies in shared memory as its operand lies in global memory, [rows][k] or [k][columns]; its
// 16-byte chunks are swizzled so that copies and ldmatrix touch every bank once. Where B is [n][k],
// ldmatrix takes its rows in such an order that a thread gets eight columns that lie beside each
// other, out of every 32: results, residuals and biases move as 16 bytes.

constexpr int kWarpsM = kTileM / kPartM, kWarpsN = kTileN / kPartN;
constexpr int kTilesM = kPartM / 16, kTilesN = kPartN / 8;   // of mma, in a warp
constexpr int kSize = sizeof(Element), kChunk = 16 / kSize;  // elements of a row of 16 bytes
constexpr int kBytesA = kSize * kTileM * kTileK, kBytesB = kSize * kTileN * kTileK;
static_assert(kThreads == 32 * kWarpsM * kWarpsN && kPartN % 32 == 0, "warps share the tile");

// kPermuted: rows are read in the order described above.
template <int kColumns, bool kPermuted>
struct Swizzled {
  static constexpr int kChunks = kColumns / kChunk;
  static __device__ __forceinline__ int key(int row) {
    if constexpr (kPermuted) {
      return kChunks >= 8 ? ((row >> 3) & 3) << 1 | (row & 1) : (row >> 3) & 3;
    } else {
      return kChunks >= 8 ? row & 7 : (row >> 1) & 3;
    }
  }
  static __device__ __forceinline__ unsigned at(int row, int column) {
    const int chunk = column / kChunk ^ key(row);
    return static_cast<unsigned>(kSize * (row * kColumns + chunk * kChunk + column % kChunk));
  }
};
using TileA = Swizzled<kInnerA ? kTileK : kTileM, false>;
using TileB = Swizzled<kInnerB ? kTileK : kTileN, kInnerB>;

template <bool kTransposed>
__device__ __forceinline__ void load_matrices(unsigned from, unsigned& a, unsigned& b, unsigned& c,
                                              unsigned& d) {
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                 : "r"(from));
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                 : "r"(from));
  }
}

__device__ __forceinline__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1, f16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1, bf16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void multiply(int (&c)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1, unsigned char) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void multiply(int (&c)[4], const unsigned (&a)[4], unsigned b0,
                                         unsigned b1, signed char) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Rows m.. of A, 16 of them, steps k.. of k, two chunks of them.
__device__ __forceinline__ void load_a(unsigned tile, int m, int k, int lane, unsigned (&to)[4]) {
  const int matrix = lane / 8, i = lane % 8;
  if constexpr (kInnerA) {
    load_matrices<false>(tile + TileA::at(m + matrix % 2 * 8 + i, k + matrix / 2 * kChunk), to[0],
                         to[1], to[2], to[3]);
  } else {
    load_matrices<true>(tile + TileA::at(k + matrix / 2 * 8 + i, m + matrix % 2 * 8), to[0], to[1],
                        to[2], to[3]);
  }
}

// Two mma tiles of B, number j and j + 1 of the warp's, whose columns begin at n.
__device__ __forceinline__ void load_b(unsigned tile, int n, int j, int k, int lane,
                                       unsigned (&to)[2][2]) {
  const int matrix = lane / 8, i = lane % 8;
  const int of = j + matrix / 2;
  if constexpr (kInnerB) {
    const int row = n + of / 4 * 32 + 8 * (i / 2) + 2 * (of % 4) + i % 2;
    load_matrices<false>(tile + TileB::at(row, k + matrix % 2 * kChunk), to[0][0], to[0][1],
                         to[1][0], to[1][1]);
  } else {
    load_matrices<true>(tile + TileB::at(k + matrix % 2 * 8 + i, n + of * 8), to[0][0], to[0][1],
                        to[1][0], to[1][1]);
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    implicit_gemm(const Element* a, const Element* b, Output* __restrict__ y,
                  Sum* __restrict__ partial, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ Window windows[kKind == conv_channels_last ? kTileM : 1];
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const Tile tile = tile_of_block(p);
  to_batch(p, tile, a, b, windows);

  const unsigned fill = kFilled ? (x_zero(operands) & 0xffu) * 0x01010101u : 0;
  const auto copy_step = [&](int slot, int k) {
    const unsigned to_a = shared_address(shared) + slot * (kBytesA + kBytesB);
    const unsigned to_b = to_a + kBytesA;
    if constexpr (kKind == conv_channels_last) {
      copy_pixels<TileA>(to_a, a, p, windows, k, tile.k_end, fill);
    } else if constexpr (kInnerA) {
      copy_dense<kTileM, kTileK, kVectorA, TileA>(to_a, a, p.lead_a, tile.m, p.m, k, tile.k_end);
    } else {
      copy_dense<kTileK, kTileM, kVectorA, TileA>(to_a, a, p.lead_a, k, tile.k_end, tile.m, p.m);
    }
    if constexpr (kInnerB) {
      copy_dense<kTileN, kTileK, kVectorB, TileB>(to_b, b, p.lead_b, tile.n, p.n, k, tile.k_end);
    } else {
      copy_dense<kTileK, kTileN, kVectorB, TileB>(to_b, b, p.lead_b, k, tile.k_end, tile.n, p.n);
    }
  };

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_m = warp / kWarpsN * kPartM, warp_n = warp % kWarpsN * kPartN;

  Sum sum[kTilesM][kTilesN][4] = {};
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
    const unsigned tile_a = shared_address(shared) + slot * (kBytesA + kBytesB);
    const unsigned tile_b = tile_a + kBytesA;
#pragma unroll
    for (int k = 0; k < kTileK; k += 2 * kChunk) {
      unsigned x[kTilesM][4], w[kTilesN / 2][2][2];
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) load_a(tile_a, warp_m + 16 * i, k, lane, x[i]);
#pragma unroll
      for (int j = 0; j < kTilesN; j += 2) load_b(tile_b, warp_n, j, k, lane, w[j / 2]);
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
        for (int j = 0; j < kTilesN; ++j)
          multiply(sum[i][j], x[i], w[j / 2][j % 2][0], w[j / 2][j % 2][1], Element{});
      }
    }
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }

  // A thread's sums of one row: runs of eight columns out of 32, or of two out of eight.
  constexpr int kRun = kInnerB ? 8 : 2;
#pragma unroll
  for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int m = tile.m + warp_m + 16 * i + 8 * half + lane / 4;
#pragma unroll
      for (int c = 0; c < 2 * kTilesN; c += kStore) {
        const int n = tile.n + warp_n + c / kRun * (4 * kRun) + lane % 4 * kRun + c % kRun;
        Sum out[kStore];
#pragma unroll
        for (int v = 0; v < kStore; ++v) out[v] = sum[i][(c + v) / 2][2 * half + (c + v) % 2];
        give(p, operands, y, partial, tile, m, n, out);
      }
    }
  }
}

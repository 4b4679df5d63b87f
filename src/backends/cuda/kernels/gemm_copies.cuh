// SPDX-License-Identifier: Apache-2.0
// Copies of an implicit GEMM's tiles into shared memory. After elements.cuh and gemm_problem.cuh;
// kThreads, kVectorA and kVectorB (elements of one copy) are given.

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

// V elements. What is too small to be copied asynchronously goes through a register.
template <int V>
__device__ __forceinline__ void copy_run(unsigned to, const Element* from, bool valid) {
  if constexpr (V * sizeof(Element) >= 4) {
    copy_async<V * sizeof(Element)>(to, from, valid);
  } else if constexpr (V * sizeof(Element) == 1) {
    const unsigned bits = valid ? *reinterpret_cast<const unsigned char*>(from) : 0;
    asm volatile("st.shared.u8 [%0], %1;" ::"r"(to), "r"(bits) : "memory");
  } else {
    const unsigned short bits = valid ? *reinterpret_cast<const unsigned short*>(from) : 0;
    asm volatile("st.shared.u16 [%0], %1;" ::"r"(to), "h"(bits) : "memory");
  }
}

// V bytes of x, or of its padding: `fill` has four.
template <int V>
__device__ __forceinline__ void copy_filled(unsigned to, const Element* from, bool valid,
                                            unsigned fill) {
  if constexpr (!kFilled) {
    copy_run<V>(to, from, valid);
  } else if (valid) {
    copy_run<V>(to, from, true);
  } else if constexpr (V == 1) {
    asm volatile("st.shared.u8 [%0], %1;" ::"r"(to), "r"(fill) : "memory");
  } else if constexpr (V == 2) {
    const unsigned short bits = static_cast<unsigned short>(fill);
    asm volatile("st.shared.u16 [%0], %1;" ::"r"(to), "h"(bits) : "memory");
  } else {
#pragma unroll
    for (int i = 0; i < V; i += 4)
      asm volatile("st.shared.u32 [%0], %1;" ::"r"(to + i), "r"(fill) : "memory");
  }
}

// A dense matrix [outer][inner] of which the tile is [kRows][kColumns]; At::at says where in it an
// element lies.
template <int kRows, int kColumns, int V, class At>
__device__ __forceinline__ void copy_dense(unsigned to, const Element* from, int lead, int row0,
                                           int row_end, int column0, int column_end) {
  using Share = Shares<kRows, kColumns, V>;
  const int column = column0 + Share::column();
  const Element* first = from + static_cast<long long>(row0 + Share::row(0)) * lead + column;
#pragma unroll
  for (int i = 0; i < Share::kCopies; ++i) {
    const int row = Share::row(i);
    if (!Share::has(row)) continue;
    const bool valid = row0 + row < row_end && column < column_end;
    copy_run<V>(to + At::at(row, Share::column()),
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
template <class At>
__device__ __forceinline__ void copy_pixels(unsigned to, const Element* x, const Problem& p,
                                            const Window* windows, int k0, int k_end,
                                            unsigned fill = 0) {
  using Share = Shares<kTileM, kTileK, kVectorA>;
  const int k = k0 + Share::column();
  const int in_all = k / kChannels;
  // The weights of all taps, kRepeats times.
  const int tap = kRepeats > 1 ? in_all % (kKernelH * kKernelW) : in_all;
  const int dy = tap / kKernelW * kDilationH, dx = tap % kKernelW * kDilationW;
  const int channels = kChannels * p.batches;
  const long long offset =
      (static_cast<long long>(dy) * p.width + dx) * channels + (k - in_all * kChannels);
#pragma unroll
  for (int i = 0; i < Share::kCopies; ++i) {
    const int row = Share::row(i);
    if (!Share::has(row)) continue;
    const Window window = windows[row];
    const bool valid = k < k_end && inside(p, window, dy, dx);
    copy_filled<kVectorA>(to + At::at(row, Share::column()), x + window.at + offset, valid, fill);
  }
}

// Where the matrices of the tile's batch begin; and the windows of the tile's rows.
__device__ __forceinline__ void to_batch(const Problem& p, const Tile& tile, const Element*& a,
                                         const Element*& b, Window* windows) {
  if constexpr (kKind == conv_channels_last) {
    const int channels = kChannels * p.batches;
    for (int row = static_cast<int>(threadIdx.x); row < kTileM; row += kThreads) {
      windows[row] = window_of(p, tile.m + row, p.m, channels, channels);
      windows[row].at += tile.batch * kChannels;
    }
    b += static_cast<long long>(tile.batch) * (kInnerB ? p.n : p.k) * p.lead_b;
    __syncthreads();
  } else {
    a += batch_offset(p, tile.batch, p.batch_a0, p.batch_a1, p.batch_a2);
    b += batch_offset(p, tile.batch, p.batch_b0, p.batch_b1, p.batch_b2);
  }
}

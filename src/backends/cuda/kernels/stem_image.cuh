// SPDX-License-Identifier: Apache-2.0
// The part of an image that a tile of a stem's results reads, halo included, in shared memory:
// [channel][row][column], whatever the layout of x. A tile is kTileH rows of 16 results. After
// gemm_copies.cuh.

struct StemTile {
  int image, oy, ox;
};

// kRows rows of kColumns elements a channel, kPitch from one to the next; the first column lies
// kLead before the tile's first window without padding.
template <int kTileH, int kRows, int kColumns, int kPitch, int kLead>
struct StemImage {
  static __device__ __forceinline__ int tiles(const Problem& p) {
    return ceil_div(p.out_width, 16) * ceil_div(p.out_height, kTileH) *
           (p.m / (p.out_width * p.out_height));
  }

  static __device__ __forceinline__ StemTile tile(const Problem& p, int id) {
    const int across = ceil_div(p.out_width, 16), down = ceil_div(p.out_height, kTileH);
    const int line = id / across;
    StemTile out;
    out.ox = (id - line * across) * 16;
    out.image = line / down;
    out.oy = (line - out.image * down) * kTileH;
    return out;
  }

  // `fill`: four times the byte that padding is.
  static __device__ __forceinline__ void copy(Element* to, const Element* x, const Problem& p,
                                              const StemTile& tile, unsigned fill = 0) {
    const int y0 = tile.oy * kStrideH - kPadTop, x0 = tile.ox * kStrideW - kLead;
    const Element* from = x + static_cast<long long>(tile.image) * kChannels * p.height * p.width;
    if constexpr (kInnerA) {
      copy_pixels_apart(to, from, p, y0, x0, fill);
    } else {
      copy_planes(to, from, p, y0, x0, fill);
    }
  }

 private:
  template <class T>
  static __device__ __forceinline__ T padding(unsigned fill) {
    if constexpr (sizeof(T) == 1) {
      return static_cast<T>(fill);
    } else {
      return T{};
    }
  }

  // Whether a pixel of the image is none of its padding.
  static __device__ __forceinline__ bool is_inside(const Problem& p, int iy, int ix) {
    return static_cast<unsigned>(iy) < static_cast<unsigned>(p.height) &&
           static_cast<unsigned>(ix) < static_cast<unsigned>(p.width);
  }

  static __device__ __forceinline__ void copy_planes(Element* to, const Element* from,
                                                     const Problem& p, int y0, int x0,
                                                     unsigned fill) {
    constexpr int kPerRow = kColumns / kVectorA, kCopies = kChannels * kRows * kPerRow;
#pragma unroll 2
    for (int i = static_cast<int>(threadIdx.x); i < kCopies; i += kThreads) {
      const int row = i / kPerRow, column = (i - row * kPerRow) * kVectorA;
      const int channel = row / kRows;
      const int iy = y0 + row - channel * kRows, ix = x0 + column;
      copy_filled<kVectorA>(shared_address(to + row * kPitch + column),
                            from + static_cast<long long>(channel * p.height + iy) * p.width + ix,
                            is_inside(p, iy, ix), fill);
    }
  }

  static __device__ __forceinline__ void copy_pixels_apart(Element* to,
                                                           const Element* __restrict__ from,
                                                           const Problem& p, int y0, int x0,
                                                           unsigned fill) {
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kColumns; i += kThreads) {
      const int row = i / kColumns, column = i - row * kColumns;
      const Element* pixel =
          from + (static_cast<long long>(y0 + row) * p.width + x0 + column) * kChannels;
      const bool inside = is_inside(p, y0 + row, x0 + column);
      Element value[kChannels];
#pragma unroll
      for (int c = 0; c < kChannels; ++c) value[c] = inside ? pixel[c] : padding<Element>(fill);
#pragma unroll
      for (int c = 0; c < kChannels; ++c) to[(c * kRows + row) * kPitch + column] = value[c];
    }
  }
};

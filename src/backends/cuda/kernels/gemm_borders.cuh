// SPDX-License-Identifier: Apache-2.0
// Sums of bytes at the borders of an image, for implicit_gemm_sm90.cuh. Copies fill what lies
// outside with 0, which is not the image's zero point: where taps lie outside, their share is added
// to the sums. It depends on how many they are on each side: behind the channel operands each such
// kind of pixel but the first, which has none, has an int32 a channel, its bits as floats. After
// gemm_stores.cuh.

// Taps before the image, of a window whose first is at `first`.
__device__ __forceinline__ int taps_before(int first, int dilation) {
  return first < 0 ? (dilation - 1 - first) / dilation : 0;
}
__device__ __forceinline__ int taps_behind(int last, int size, int dilation) {
  return last >= size ? (last - size + dilation) / dilation : 0;
}

__device__ __forceinline__ int kind_of_pixel(const Arguments& p, int row) {
  const int pixel = row % p.out_hw, h = pixel / p.out_w;
  const int top = h * p.stride_h - p.pad_h, left = (pixel - h * p.out_w) * p.stride_w - p.pad_w;
  int out = taps_before(top, p.dilation_h);
  out = out * (kMostBelow + 1) + taps_behind(top + kReachH, p.height, p.dilation_h);
  out = out * (kMostLeft + 1) + taps_before(left, p.dilation_w);
  return out * (kMostRight + 1) + taps_behind(left + kReachW, p.width, p.dilation_w);
}

// Adds to the sums of a run of columns, of which `column` is the first.
template <class T, int kCount>
__device__ __forceinline__ void add_shares(const Arguments& p, const float* channel, int kind,
                                           int column, T (&sums)[kCount]) {
  const int operand = kChannelOperands + kind - 1;
  const int4* from = reinterpret_cast<const int4*>(channel + operand * p.tiles_n * kTileN + column);
#pragma unroll
  for (int x = 0; x < kCount; x += 4) {
    const int4 four = __ldg(from + x / 4);
    sums[x] += four.x, sums[x + 1] += four.y, sums[x + 2] += four.z, sums[x + 3] += four.w;
  }
}

// Of all that a thread has of a tile.
__device__ __forceinline__ void add_borders(const Arguments& p, const Pointers& at,
                                            const Consumer& self, const Place& place,
                                            SumType (&sums)[kSlices][kAccumulators]) {
#pragma unroll
  for (int i = 0; i < kSlices; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int kind = kind_of_pixel(p, place.m + self.row(i, half));
      if (kind == 0) continue;
#pragma unroll
      for (int q = 0; q < kPanels * kPanelChunks; ++q) {
        const int panel = q / kPanelChunks, part = q % kPanelChunks;
        const int column = place.n + panel * kPanelColumns + self.chunk(part) * kChunk;
        SumType chunk[kChunk];
        take_chunk(sums[i], panel, part, half, chunk);
        add_shares(p, at.channel, kind, column, chunk);
        put_chunk(chunk, panel, part, half, sums[i]);
      }
    }
  }
}

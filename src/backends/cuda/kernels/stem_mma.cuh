// SPDX-License-Identifier: Apache-2.0
// Convolution of an image of few channels, f16 or bf16, on the tensor cores of every chip from
// sm_80 on: x plain, [image][channel][row][column], or (kInnerA) channels last, the result channels
// last, sums in f32. After stem_image.cuh and tensor_core.cuh.
//
// A block computes 16 columns of kTileH rows of results from the part of the image below them, halo
// included, in shared memory; while it computes one such tile it reads the next. k = (channel, row
// of the window, tap), a row of taps padded to a power of two: two neighbours of a row are a word
// of a fragment of A, and 16 windows beside each other begin at words that overlap, so that no two
// threads want different words of one bank. A warp keeps its filters in registers, packed as
// [group][step][lane][tile of eight][half of k][2]; where windows begin at odd columns the taps
// begin at the second place of the row.

constexpr int kShift = kStrideW % 2 == 0 ? kPadLeft % 2 : 0;
constexpr int kPairs = kKernelW + kShift <= 2   ? 1
                       : kKernelW + kShift <= 4 ? 2
                       : kKernelW + kShift <= 8 ? 4
                                                : 8;  // words of a row of taps
constexpr int kPlanes = kChannels * kKernelH;
constexpr int kSteps = (kPlanes * kPairs + 7) / 8;  // of mma
constexpr int kRun = 2 * kGroupTiles;               // channels of a thread, beside each other
constexpr int kTileH = kRows * kWarpsM;
constexpr int kTileRows = (kTileH - 1) * kStrideH + (kKernelH - 1) * kDilationH + 1;
// Columns in shared memory before the tile's first window without padding, and in all.
constexpr int kLead = (kPadLeft + kShift + 7) / 8 * 8;
constexpr int kFirst = kLead - kPadLeft - kShift;
constexpr int kColumns = (kFirst + 15 * kStrideW + 2 * kPairs + kStrideW % 2 + 7) / 8 * 8;
// Rows that a warp reads at once lie in different banks.
constexpr int kPitch = kColumns + (kPairs < 4 && kColumns / 8 % 4 == 0 ? 8 : 0);
constexpr int kTileSize = kChannels * kTileRows * kPitch;
static_assert(kThreads == 32 * kWarpsM * kGroups && kDilationW == 1, "what the builder checks");

using Image = StemImage<kTileH, kTileRows, kColumns, kPitch, kLead>;

// Elements from the first of a tile's to the row that number j of (channel, row of the window) is.
__device__ constexpr int plane_at(int j) {
  return j >= kPlanes ? 0 : (j / kKernelH * kTileRows + j % kKernelH * kDilationH) * kPitch;
}

// Where a thread finds its words of A: bits of taps that are no padding, by half of a step of k
// (which differ where a row of taps is a whole step), and rows where lanes differ in them.
struct Lane {
  int first;  // element of the first window's first pair
  bool odd;
  unsigned mask[2];
  int plane[kPairs < 4 ? kSteps : 1][2];
};

__device__ __forceinline__ Lane lane_of(int g, int t) {
  Lane out;
  const int begin = kFirst + g * kStrideW;
  out.odd = kStrideW % 2 != 0 && begin % 2 != 0;
  out.first = begin / 2 * 2 + 2 * (t % kPairs);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int tap = 2 * ((4 * half + t) % kPairs) - kShift;
    out.mask[half] = (tap >= 0 && tap < kKernelW ? 0xffffu : 0u) |
                     (tap + 1 >= 0 && tap + 1 < kKernelW ? 0xffff0000u : 0u);
    if constexpr (kPairs < 4) {
#pragma unroll
      for (int s = 0; s < kSteps; ++s)
        out.plane[s][half] = plane_at((8 * s + 4 * half + t) / kPairs);
    }
  }
  return out;
}

__device__ __forceinline__ unsigned word_at(const Element* from, bool odd) {
  const unsigned* words = reinterpret_cast<const unsigned*>(from);
  if constexpr (kStrideW % 2 == 0) return words[0];
  return odd ? __funnelshift_r(words[0], words[1], 16) : words[0];
}

// Words of A of step s and that half of it, of windows g and g + 8 of a row of results.
__device__ __forceinline__ void load_half(const Element* row, const Lane& lane, int t, int s,
                                          int half, unsigned& low, unsigned& high) {
  const int q = 8 * s + 4 * half;
  if (q / kPairs >= kPlanes) {
    low = high = 0;
    return;
  }
  int at = kPairs < 4 ? lane.plane[kPairs < 4 ? s : 0][half] : plane_at(q / kPairs);
  if constexpr (kPairs == 8) at += 8 * half;
  low = word_at(row + at, lane.odd);
  high = word_at(row + at + 8 * kStrideW, lane.odd);
  unsigned mask = lane.mask[half];
  if ((q + 3) / kPairs >= kPlanes && (q + t) / kPairs >= kPlanes) mask = 0;
  // A tap that is padding must not meet an infinity.
  if (kKernelW != 2 * kPairs || (q + 3) / kPairs >= kPlanes) {
    low &= mask;
    high &= mask;
  }
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    stem(const Element* __restrict__ x, const Element* __restrict__ w, Output* __restrict__ y,
         float* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  Element* const images = reinterpret_cast<Element*>(shared);  // two tiles
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int warp = static_cast<int>(threadIdx.x) / 32, id = static_cast<int>(threadIdx.x) % 32;
  const int g = id / 4, t = id % 4, group = warp % kGroups, warp_row = warp / kGroups * kRows;
  const int tiles = Image::tiles(p);
  int tile = static_cast<int>(blockIdx.x);
  Image::copy(images, x, p, Image::tile(p, tile));
  commit_copies();

  constexpr int kWords = 2 * kGroupTiles;
  unsigned filters[kSteps][kWords];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
#pragma unroll
    for (int i = 0; i < kWords; i += 4) {
      const Words<4> in = load_words<4>(w + 2 * (((group * kSteps + s) * 32 + id) * kWords + i));
#pragma unroll
      for (int j = 0; j < 4; ++j) filters[s][i + j] = in.word[j];
    }
  }
  const Lane lane = lane_of(g, t);
  Channels<kStore> channels[kRun / kStore];
#pragma unroll
  for (int c = 0; c < kRun; c += kStore) {
    const int n = (group * 4 + t) * kRun + c;
    if (n < p.n) channels[c / kStore] = channels_of<kStore>(p, operands, 0, 0, n);
  }

  for (int slot = 0; tile < tiles; slot ^= 1) {
    const StemTile at = Image::tile(p, tile);
    tile += static_cast<int>(gridDim.x);
    if (tile < tiles) Image::copy(images + (slot ^ 1) * kTileSize, x, p, Image::tile(p, tile));
    commit_copies();
    wait_copies<1>();
    __syncthreads();
    const Element* first = images + slot * kTileSize + lane.first + warp_row * kStrideH * kPitch;
    float sum[kRows][kGroupTiles][4] = {};
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
#pragma unroll
      for (int o = 0; o < kRows; ++o) {
        unsigned a[4];
        load_half(first + o * kStrideH * kPitch, lane, t, s, 0, a[0], a[1]);
        load_half(first + o * kStrideH * kPitch, lane, t, s, 1, a[2], a[3]);
#pragma unroll
        for (int j = 0; j < kGroupTiles; ++j)
          multiply(sum[o][j], a, filters[s][2 * j], filters[s][2 * j + 1], Element{});
      }
    }
    __syncthreads();
#pragma unroll
    for (int o = 0; o < kRows; ++o) {
      const int oy = at.oy + warp_row + o;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int ox = at.ox + g + 8 * half;
        if (oy >= p.out_height || ox >= p.out_width) continue;
        const int m = (at.image * p.out_height + oy) * p.out_width + ox;
#pragma unroll
        for (int c = 0; c < kRun; c += kStore) {
          const int n = (group * 4 + t) * kRun + c;
          float out[kStore];
#pragma unroll
          for (int v = 0; v < kStore; ++v) out[v] = sum[o][(c + v) / 2][2 * half + (c + v) % 2];
          if (n < p.n) finish(p, operands, channels[c / kStore], y, 0, m, n, out);
        }
      }
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Convolution of an image of few channels of bytes, requantised, on the tensor cores of every chip
// from sm_80 on: x plain, [image][channel][row][column], or (kInnerA) channels last, the result
// channels last. After stem_image.cuh, tensor_core.cuh and byte_results.cuh.
//
// A block computes 16 columns of kTileH rows of results from the part of the image below them, halo
// included, in shared memory; while it computes one such tile it reads the next. k = (channel, row
// of the window, tap): four neighbours of a row are a word of a fragment of A. Windows beside each
// other begin kStrideW bytes apart; where that is no whole word, copies of the tile that begin so
// many bytes later have every window's words whole. A row of taps is padded to one, two or four
// words, rows of a window to as many as four words hold; what padding reads meets weights of zero.
// A warp keeps its filters in registers, packed as [group][step][lane][tile of eight][half of
// k][4].

// Windows begin at multiples of so many bytes.
constexpr int kStep = kStrideW % 4 == 0 ? 4 : kStrideW % 2 == 0 ? 2 : 1;
constexpr int kShift = (kStep - kPadLeft % kStep) % kStep;  // taps of weight zero before the first
constexpr int kPairs = kKernelW + kShift <= 4 ? 1 : kKernelW + kShift <= 8 ? 2 : 4;
constexpr int kRowsAtOnce = 4 / kPairs;  // of the window, in half a step of k
constexpr int kWindowRows = (kKernelH + kRowsAtOnce - 1) / kRowsAtOnce * kRowsAtOnce;
constexpr int kHalves = kChannels * kWindowRows / kRowsAtOnce;
constexpr int kSteps = (kHalves + 1) / 2;
constexpr int kRun = 2 * kGroupTiles;  // channels of a thread, beside each other
constexpr int kTileH = kRows * kWarpsM;
constexpr int kTileRows = (kTileH - 1) * kStrideH + (kKernelH - 1) * kDilationH + 1;
constexpr int kLead = (kPadLeft + kShift + 15) / 16 * 16;
constexpr int kFirst = kLead - kPadLeft - kShift;
constexpr int kColumns = (kFirst + 15 * kStrideW + 4 * kPairs + 15) / 16 * 16;
// Rows that a warp reads at once lie in different banks, and so do the copies.
constexpr int kPitch = kPairs == 1   ? kColumns + (kColumns / 16 % 2 == 0 ? 16 : 0)
                       : kPairs == 2 ? (kColumns + 63) / 64 * 64
                                     : kColumns;
constexpr int kTileSize =
    (kPitch * (kChannels * kTileRows + (kWindowRows - kKernelH) * kDilationH) + 127) / 128 * 128;
constexpr int kCopies = 4 / kStep;
constexpr int kCopySize = kTileSize + (kPairs == 1 ? 64 : 32);
static_assert(kThreads == 32 * kWarpsM * kGroups && kDilationW == 1, "what the builder checks");
static_assert(kKernelW + kShift <= 16 && kResult == bytes, "what the builder checks");

using Image = StemImage<kTileH, kTileRows, kColumns, kPitch, kLead>;

// Copies number 1 and up, each `kStep` bytes further than the one before.
__device__ __forceinline__ void shift_copies(unsigned char* to, const unsigned char* from) {
  for (int i = static_cast<int>(threadIdx.x) * 16; i < kTileSize - 16; i += kThreads * 16) {
    const unsigned* in = reinterpret_cast<const unsigned*>(from + i);
    unsigned word[5];
#pragma unroll
    for (int j = 0; j < 5; ++j) word[j] = in[j];
#pragma unroll
    for (int copy = 1; copy < kCopies; ++copy) {
      unsigned* out = reinterpret_cast<unsigned*>(to + (copy - 1) * kCopySize + i);
#pragma unroll
      for (int j = 0; j < 4; ++j) out[j] = __funnelshift_r(word[j], word[j + 1], 8 * kStep * copy);
    }
  }
}

// Bytes from a lane's first word to the one that it reads for a half of a step.
__device__ constexpr int half_at(int half) {
  const int plane = half * kRowsAtOnce;
  return (plane / kWindowRows * kTileRows + plane % kWindowRows * kDilationH) * kPitch;
}

// Words of A of a half of a step of k, of windows g and g + 8 of a row of results.
__device__ __forceinline__ void load_half(const unsigned char* from, int half, unsigned& low,
                                          unsigned& high) {
  low = high = 0;
  if (half >= kHalves) return;
  low = *reinterpret_cast<const unsigned*>(from + half_at(half));
  high = *reinterpret_cast<const unsigned*>(from + half_at(half) + 8 * kStrideW);
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    stem(const Element* __restrict__ x, const Weight* __restrict__ w, Output* __restrict__ y,
         Sum* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  extern __shared__ __align__(128) unsigned char shared[];
  unsigned char* const copies = shared + 2 * kTileSize + (kCopySize - kTileSize);
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int warp = static_cast<int>(threadIdx.x) / 32, id = static_cast<int>(threadIdx.x) % 32;
  const int g = id / 4, t = id % 4, group = warp % kGroups, warp_row = warp / kGroups * kRows;
  const unsigned fill = kFilled ? (x_zero(operands) & 0xffu) * 0x01010101u : 0;
  const int tiles = Image::tiles(p);
  int tile = static_cast<int>(blockIdx.x);
  Image::copy(reinterpret_cast<Element*>(shared), x, p, Image::tile(p, tile), fill);
  commit_copies();

  constexpr int kWords = 2 * kGroupTiles;
  unsigned filters[kSteps][kWords];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
#pragma unroll
    for (int i = 0; i < kWords; i += 4) {
      const Words<4> in = load_words<4>(w + 4 * (((group * kSteps + s) * 32 + id) * kWords + i));
#pragma unroll
      for (int j = 0; j < 4; ++j) filters[s][i + j] = in.word[j];
    }
  }
  // In shared memory, since a thread has no registers left for them while it multiplies.
  __shared__ __align__(16) float factors[2][kGroups * 4 * kRun];
  __shared__ __align__(16) int first_sums[kGroups * 4 * kRun];
  for (int n = static_cast<int>(threadIdx.x); n < kGroups * 4 * kRun; n += kThreads) {
    const int last = min(n, p.n - 1);
    const Factors<1> of = factors_of<1>(operands, last);
    factors[0][n] = of.multiplier[0];
    factors[1][n] = of.offset[0];
    int first[1] = {};
    correct(operands, last, first);
    first_sums[n] = first[0];
  }
  const int channel = (group * 4 + t) * kRun;

  const int begin = kFirst + g * kStrideW, copy = kCopies == 1 ? 0 : begin % 4 / kStep;
  const int lane =
      begin / 4 * 4 + t % kPairs * 4 + (t / kPairs * kDilationH + warp_row * kStrideH) * kPitch;
  for (int slot = 0; tile < tiles; slot ^= 1) {
    const StemTile at = Image::tile(p, tile);
    tile += static_cast<int>(gridDim.x);
    if (tile < tiles)
      Image::copy(reinterpret_cast<Element*>(shared + (slot ^ 1) * kTileSize), x, p,
                  Image::tile(p, tile), fill);
    commit_copies();
    wait_copies<1>();
    __syncthreads();
    const unsigned char* whole = shared + slot * kTileSize;
    if constexpr (kCopies > 1) {
      shift_copies(copies, whole);
      __syncthreads();
    }
    const unsigned char* first = (copy == 0 ? whole : copies + (copy - 1) * kCopySize) + lane;
    int sum[kRows][kGroupTiles][4];
#pragma unroll
    for (int o = 0; o < kRows; ++o) {
#pragma unroll
      for (int j = 0; j < kGroupTiles; ++j) {
#pragma unroll
        for (int v = 0; v < 4; ++v) sum[o][j][v] = first_sums[channel + 2 * j + v % 2];
      }
    }
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
#pragma unroll
      for (int o = 0; o < kRows; ++o) {
        unsigned a[4];
        load_half(first + o * kStrideH * kPitch, 2 * s, a[0], a[1]);
        load_half(first + o * kStrideH * kPitch, 2 * s + 1, a[2], a[3]);
#pragma unroll
        for (int j = 0; j < kGroupTiles; ++j)
          multiply(sum[o][j], a, filters[s][2 * j], filters[s][2 * j + 1], Element{});
      }
    }
    __syncthreads();
    Factors<kStore> of[kRun / kStore];
#pragma unroll
    for (int c = 0; c < kRun; ++c) {
      of[c / kStore].multiplier[c % kStore] = factors[0][channel + c];
      of[c / kStore].offset[c % kStore] = factors[1][channel + c];
    }
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
          if (channel + c >= p.n) continue;
          int out[kStore];
#pragma unroll
          for (int v = 0; v < kStore; ++v) out[v] = sum[o][(c + v) / 2][2 * half + (c + v) % 2];
          store_requantized(operands, of[c / kStore], y, result_index(p, 0, m, channel + c), out);
        }
      }
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution of bytes of few taps, requantised, channels last: a thread computes kRows
// rows of kStrip output pixels of four channels on its way down the image, four taps of a row of
// the window by one instruction. It reads each row of x once, kAhead rows before it is needed, and
// takes its words apart: word j of a channel holds pixels 4j to 4j + 3 of the strip. Filters stay
// in registers, packed as [row of the window][run of four taps][channel][tap] with zeros behind the
// last tap, so that what a window's words hold beyond it does not matter.
//
// Padding is the zero point, whose share is taken from the number that sums begin with. That number
// is kBias's bits otherwise: while a sum is less than 2^22, which 128 taps leave it, kBias plus it
// has the bits of kBias plus its integer. After gemm_copies.cuh and byte_results.cuh.

constexpr float kBias = 12582912.f;  // 3 * 2^22
constexpr int kBiasBits = 0x4b400000;
constexpr int kRuns = (kKernelW + 3) / 4;
constexpr int kColumns = (kStrip - 1) * kStrideW + kKernelW;
constexpr int kReach = (kRows - 1) * kStrideH + kKernelH;
constexpr int kWords = (kColumns + 3) / 4;
// Whether no part is cut off by the end of the image.
constexpr bool kWholeRows = kOutHeight > 0 && kOutHeight % kRows == 0;
constexpr bool kWholeStrips = kOutWidth > 0 && kOutWidth % kStrip == 0;
static_assert(kStore == 4 && kDilationH == 1 && kDilationW == 1, "what the builder checks");
static_assert(kResult == bytes && kKernelH * kKernelW <= 128, "what the builder checks");

// Sum of four products of bytes of x and signed bytes, and of `sum`.
__device__ __forceinline__ int dot(unsigned x, unsigned w, int sum, u8) {
  int out;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(out) : "r"(x), "r"(w), "r"(sum));
  return out;
}
__device__ __forceinline__ int dot(unsigned x, unsigned w, int sum, i8) {
  int out;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(out) : "r"(x), "r"(w), "r"(sum));
  return out;
}

// Up to four pixels of four channels as a word for each channel, the first pixel lowest. Bytes of
// pixels that are not there are any.
template <int kPixels>
__device__ __forceinline__ void transpose(const unsigned* pixel, unsigned (&channel)[4]) {
  if constexpr (kPixels == 1) {
#pragma unroll
    for (int v = 0; v < 4; ++v) channel[v] = pixel[0] >> (8 * v);
  } else {
    const unsigned low = __byte_perm(pixel[0], pixel[1], 0x5140);
    const unsigned high = __byte_perm(pixel[0], pixel[1], 0x7362);
    if constexpr (kPixels == 2) {
      channel[0] = low, channel[1] = low >> 16, channel[2] = high, channel[3] = high >> 16;
    } else if constexpr (kPixels == 3) {
      channel[0] = __byte_perm(low, pixel[2], 0x0410);
      channel[1] = __byte_perm(low, pixel[2], 0x0532);
      channel[2] = __byte_perm(high, pixel[2], 0x0610);
      channel[3] = __byte_perm(high, pixel[2], 0x0732);
    } else {
      const unsigned low2 = __byte_perm(pixel[2], pixel[3], 0x5140);
      const unsigned high2 = __byte_perm(pixel[2], pixel[3], 0x7362);
      channel[0] = __byte_perm(low, low2, 0x5410);
      channel[1] = __byte_perm(low, low2, 0x7632);
      channel[2] = __byte_perm(high, high2, 0x5410);
      channel[3] = __byte_perm(high, high2, 0x7632);
    }
  }
}

// Pixels `first` to first + 3 of a channel.
__device__ __forceinline__ unsigned window(const unsigned (&words)[kWords][4], int v, int first) {
  const int word = first / 4, shift = first % 4;
  if (shift == 0) return words[word][v];
  const int next = word + 1 < kWords ? word + 1 : word;
  return __byte_perm(words[word][v], words[next][v], 0x3210 + 0x1111 * shift);
}

// Whether place `i` of the part of x below every block of `count` results is inside x.
__device__ constexpr bool is_inside(int i, int count, int stride, int pad, int size, int out_size) {
  const int last = (out_size - 1) / count * count;
  return size > 0 && out_size > 0 && i >= pad && last * stride - pad + i < size;
}
__device__ constexpr bool is_row_inside(int i) {
  return is_inside(i, kRows, kStrideH, kPadTop, kHeight, kOutHeight);
}
__device__ constexpr bool is_column_inside(int i) {
  return is_inside(i, kStrip, kStrideW, kPadLeft, kWidth, kOutWidth);
}

// The row of the window of results' row o that row i of x is.
__device__ constexpr int window_row(int i, int o) { return i - o * kStrideH; }

// Four results, which begin at element `at` of y where they are valid.
__device__ __forceinline__ void finish_pixel(const Operands& operands, const Factors<4>& factors,
                                             const unsigned char* table, Output* y, long long at,
                                             bool valid, const int (&sum)[4]) {
  unsigned residual[1] = {}, result[4];
  if (kResidual && valid) load_bytes<4>(operands.residual + at, residual);
#pragma unroll
  for (int v = 0; v < 4; ++v) {
    result[v] = requantized<kResidual>(__int_as_float(sum[v]) - kBias, factors.multiplier[v],
                                       factors.offset[v], residual[0], v, table);
  }
  const unsigned word = __byte_perm(__byte_perm(result[0], result[1], 0x0040),
                                    __byte_perm(result[2], result[3], 0x0040), 0x5410);
  if (valid) store_words<1>(y + at, {{word}});
}

extern "C" __global__ void __launch_bounds__(kThreads, kMinBlocks)
    depthwise(const Element* __restrict__ x, const Weight* __restrict__ w, Output* __restrict__ y,
              Sum* __restrict__, PROBLEM_PARAMETERS EPILOGUE_PARAMETERS) {
  __shared__ unsigned char entries[256];  // of the table
  static_assert(256 % kThreads == 0, "threads share its copy evenly");
  const Problem p = PROBLEM;
  const Operands operands = OPERANDS;
  const int runs = p.n / 4, strips = ceil_div(p.out_width, kStrip);
  const int parts = ceil_div(p.out_height, kRows);
  const long long id = static_cast<long long>(blockIdx.x) * kThreads + threadIdx.x;
  const int at = static_cast<int>(id / runs);
  const int channel = static_cast<int>(id - static_cast<long long>(at) * runs) * 4;
  const int line = at / strips;
  const int ox = (at - line * strips) * kStrip;
  int image = line / parts;
  const int oy = (line - image * parts) * kRows;
  // Threads beyond the last image begin like others, up to the barrier.
  const bool needed = static_cast<long long>(image) * p.out_height * p.out_width < p.m;
  if (!needed) image = 0;
  const int y0 = oy * kStrideH - kPadTop, x0 = ox * kStrideW - kPadLeft;
  const Element* first =
      x + ((static_cast<long long>(image) * p.height + y0) * p.width + x0) * p.n + channel;
  const long long first_result =
      ((static_cast<long long>(image) * p.out_height + oy) * p.out_width + ox) * p.n + channel;
  const unsigned padding = 0x01010101u * static_cast<unsigned char>(x_zero(operands));

  unsigned rows[kReach][kColumns];
  const auto read = [&](int i) {
    const bool inside =
        is_row_inside(i) || static_cast<unsigned>(y0 + i) < static_cast<unsigned>(p.height);
    const Element* row = first + static_cast<long long>(i) * p.width * p.n;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      rows[i][c] = padding;
      if (inside &&
          (is_column_inside(c) || static_cast<unsigned>(x0 + c) < static_cast<unsigned>(p.width)))
        rows[i][c] = load_words<1>(row + static_cast<long long>(c) * p.n).word[0];
    }
  };
#pragma unroll
  for (int i = 0; i < kAhead && i < kReach; ++i) read(i);
  if constexpr (kTable) {
#pragma unroll
    for (int i = 0; i < 256; i += kThreads)
      entries[i + threadIdx.x] = operands.table[i + threadIdx.x];
    __syncthreads();
  }
  if (!needed) return;
  unsigned filter[kKernelH * kRuns][4];
#pragma unroll
  for (int i = 0; i < kKernelH * kRuns; ++i)
    load_bytes<16>(w + i * p.lead_b + channel * 4, filter[i]);
  const Factors<4> factors = factors_of<4>(operands, channel);
  int begin[4];
#pragma unroll
  for (int v = 0; v < 4; ++v) {
    int share = 0;
    if constexpr (kHasZero) {
#pragma unroll
      for (int i = 0; i < kKernelH * kRuns; ++i)
        share = dot(padding, filter[i][v], share, Element{});
    }
    begin[v] = kBiasBits - share;
  }

  int sum[kRows][kStrip][4];
#pragma unroll
  for (int i = 0; i < kReach; ++i) {
    if (i + kAhead < kReach) read(i + kAhead);
    unsigned words[kWords][4];
#pragma unroll
    for (int j = 0; j + 1 < kWords; ++j) transpose<4>(rows[i] + 4 * j, words[j]);
    transpose<kColumns - 4 * (kWords - 1)>(rows[i] + 4 * (kWords - 1), words[kWords - 1]);
#pragma unroll
    for (int v = 0; v < 4; ++v) {
#pragma unroll
      for (int j = 0; j < kStrip; ++j) {
#pragma unroll
        for (int run = 0; run < kRuns; ++run) {
          const unsigned pixels = window(words, v, j * kStrideW + 4 * run);
#pragma unroll
          for (int o = 0; o < kRows; ++o) {
            const int r = window_row(i, o);
            if (r < 0 || r >= kKernelH) continue;
            const int before = r == 0 && run == 0 ? begin[v] : sum[o][j][v];
            sum[o][j][v] = dot(pixels, filter[r * kRuns + run][v], before, Element{});
          }
        }
      }
    }
#pragma unroll
    for (int o = 0; o < kRows; ++o) {
      if (window_row(i, o) != kKernelH - 1) continue;
#pragma unroll
      for (int j = 0; j < kStrip; ++j) {
        const bool valid =
            (kWholeRows || oy + o < p.out_height) && (kWholeStrips || ox + j < p.out_width);
        const long long to = first_result + static_cast<long long>(o * p.out_width + j) * p.n;
        finish_pixel(operands, factors, entries, y, to, valid, sum[o][j]);
      }
    }
  }
}

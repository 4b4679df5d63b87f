// SPDX-License-Identifier: Apache-2.0
// Squares in registers: 8 x 8 of four bytes (AVX2), 16 x 16 of one byte (SSE2, which every x86-64
// processor has). What is left at the edges goes one by one.
#include "backends/cpu/kernels/simd/transpose_block.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "backends/cpu/isa.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define STROP_SIMD_X86 1
#endif

namespace strop::cpu {
namespace {

// An element may be several smaller ones side by side, so it is not aligned.
template <class T>
void transpose_part(const std::byte* from, std::int64_t from_stride, std::byte* to,
                    std::int64_t to_stride, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::memcpy(to + (c * to_stride + r) * std::int64_t{sizeof(T)},
                  from + (r * from_stride + c) * std::int64_t{sizeof(T)}, sizeof(T));
    }
  }
}

// In squares that stay in the cache.
template <class T>
void transpose_any(const void* from, std::int64_t from_stride, void* to, std::int64_t to_stride,
                   std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kSide = 16, kBytes = sizeof(T);
  const auto* x = static_cast<const std::byte*>(from);
  auto* y = static_cast<std::byte*>(to);
  for (std::int64_t c = 0; c < columns; c += kSide) {
    for (std::int64_t r = 0; r < rows; r += kSide) {
      transpose_part<T>(x + (r * from_stride + c) * kBytes, from_stride,
                        y + (c * to_stride + r) * kBytes, to_stride, std::min(kSide, rows - r),
                        std::min(kSide, columns - c));
    }
  }
}

#if STROP_SIMD_X86
// `square` moves kSide x kSide elements.
template <class T, std::int64_t kSide, class Square>
inline void in_squares(const T* x, std::int64_t from_stride, T* y, std::int64_t to_stride,
                       std::int64_t rows, std::int64_t columns, Square square) {
  const std::int64_t whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
  for (std::int64_t c = 0; c < whole_columns; c += kSide) {
    for (std::int64_t r = 0; r < whole_rows; r += kSide)
      square(x + r * from_stride + c, from_stride, y + c * to_stride + r, to_stride);
  }
  if (whole_columns < columns) {
    transpose_any<T>(x + whole_columns, from_stride, y + whole_columns * to_stride, to_stride,
                     whole_rows, columns - whole_columns);
  }
  if (whole_rows < rows) {
    transpose_any<T>(x + whole_rows * from_stride, from_stride, y + whole_rows, to_stride,
                     rows - whole_rows, columns);
  }
}

__attribute__((target("avx2"))) void square_of_words(const std::uint32_t* from,
                                                     std::int64_t from_stride, std::uint32_t* to,
                                                     std::int64_t to_stride) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; ++i)
    r[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(from + i * from_stride));
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    auto* low = reinterpret_cast<float*>(to + i * to_stride);
    auto* high = reinterpret_cast<float*>(to + (i + 4) * to_stride);
    _mm256_storeu_ps(low, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(high, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

void square_of_bytes(const std::uint8_t* from, std::int64_t from_stride, std::uint8_t* to,
                     std::int64_t to_stride) {
  __m128i a[16], b[16];
  for (int i = 0; i < 16; ++i)
    a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_stride));
  // Four times the halves of the list are interleaved, which turns the bits of an index around.
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 8; ++i) {
      a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]);
      a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
    }
  }
  for (int i = 0; i < 16; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_stride), a[i]);
}

void transpose_words(const void* from, std::int64_t from_stride, void* to, std::int64_t to_stride,
                     std::int64_t rows, std::int64_t columns) {
  in_squares<std::uint32_t, 8>(static_cast<const std::uint32_t*>(from), from_stride,
                               static_cast<std::uint32_t*>(to), to_stride, rows, columns,
                               square_of_words);
}

void transpose_bytes(const void* from, std::int64_t from_stride, void* to, std::int64_t to_stride,
                     std::int64_t rows, std::int64_t columns) {
  in_squares<std::uint8_t, 16>(static_cast<const std::uint8_t*>(from), from_stride,
                               static_cast<std::uint8_t*>(to), to_stride, rows, columns,
                               square_of_bytes);
}
#endif

}  // namespace

TransposeBlock transpose_block(std::int64_t bytes) {
  switch (bytes) {
#if STROP_SIMD_X86
    case 1:
      return transpose_bytes;
    case 4:
      return isa() >= Isa::avx2 ? transpose_words : transpose_any<std::uint32_t>;
#else
    case 1:
      return transpose_any<std::uint8_t>;
    case 4:
      return transpose_any<std::uint32_t>;
#endif
    case 2:
      return transpose_any<std::uint16_t>;
    case 8:
      return transpose_any<std::uint64_t>;
    default:
      return nullptr;
  }
}

}  // namespace strop::cpu

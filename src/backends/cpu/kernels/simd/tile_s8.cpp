// SPDX-License-Identifier: Apache-2.0
// The sums and the requantisation of tile_s8.inl for each instruction set: vpdpbusd where there are
// dot products of bytes, else products of int16 pairs (exact: a pair of bytes' products fits int32;
// the saturating product of bytes, vpmaddubsw, is not).
#include "backends/cpu/kernels/simd/tile_s8.hpp"

#include <bit>

#include "backends/cpu/isa.hpp"
#include "base/exact_fma.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define STROP_SIMD_X86 1
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // undefined operands within intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define STROP_INLINE __attribute__((always_inline))

namespace strop::cpu {
namespace generic {

#include "backends/cpu/kernels/simd/each_index.inl"

constexpr int kSumLanes = 4;
using Weight = std::int16_t;
struct Sum {
  std::int32_t v[kSumLanes];
};
struct Factor {
  const std::int16_t* p;
};
struct Bytes {
  std::int32_t v[4];
};

// Modulo 2^32, as vectors add.
inline std::int32_t wrapped_sum(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}
inline Sum load_sums(const std::int32_t* p) {
  Sum out;
  for (int i = 0; i < kSumLanes; ++i) out.v[i] = p[i];
  return out;
}
inline Sum set_sum(std::int32_t x) {
  Sum out;
  for (std::int32_t& v : out.v) v = x;
  return out;
}
inline Sum add_sums(Sum a, const Sum& b) {
  for (int i = 0; i < kSumLanes; ++i) a.v[i] = wrapped_sum(a.v[i], b.v[i]);
  return a;
}
inline Factor load_weights(const std::int16_t* p) { return {p}; }
inline Bytes spread(std::uint32_t four) {
  return {{static_cast<std::int32_t>(four & 0xff), static_cast<std::int32_t>(four >> 8 & 0xff),
           static_cast<std::int32_t>(four >> 16 & 0xff), static_cast<std::int32_t>(four >> 24)}};
}
inline Bytes flipped(Bytes x, const Bytes& flip) {
  for (int k = 0; k < 4; ++k) x.v[k] ^= flip.v[k];
  return x;
}
inline Sum dot(Sum sum, const Bytes& x, const Factor& w) {
  for (int i = 0; i < kSumLanes; ++i) {
    for (int k = 0; k < 4; ++k) sum.v[i] = wrapped_sum(sum.v[i], x.v[k] * w.p[i * 4 + k]);
  }
  return sum;
}

inline void finish(const TileS8& tile, int row, int column, int columns, const Sum& sum) {
  for (int i = 0; i < columns; ++i) {
    const int at = column + i;
    if (tile.sums != nullptr) {
      tile.sums[row * tile.sums_stride + at] = sum.v[i];
      continue;
    }
    if (tile.floats != nullptr) {
      tile.floats[row * tile.floats_stride + at] =
          static_cast<float>(sum.v[i]) * tile.multiplier[at] + tile.offset[at];
      continue;
    }
    float t =
        exact_fma_emulated(static_cast<float>(sum.v[i]), tile.multiplier[at], tile.offset[at]);
    if (tile.residual != nullptr) {
      const std::int32_t r = tile.residual[row * tile.residual_stride + at] ^ tile.residual_flip;
      t = exact_fma_emulated(static_cast<float>(r - tile.residual_zero), tile.residual_multiplier,
                             t);
    }
    t = t > 0.0f ? (t < 1.0f ? t : 1.0f) : 0.0f;
    const float n = exact_fma_emulated(t, tile.range, 12582912.0f);
    tile.out[row * tile.out_stride + at] = static_cast<std::uint8_t>(
        static_cast<std::uint32_t>(std::bit_cast<std::int32_t>(n) + tile.low));
  }
}

template <int kRows, int kColumns>
inline void finish_tile(const TileS8& tile, const Sum (&sums)[kRows][kColumns]) {
  for (int i = 0; i < kRows && i < tile.row_count; ++i) {
    for (int v = 0; v < kColumns && v * kSumLanes < tile.columns; ++v) {
      const int columns = tile.columns - v * kSumLanes;
      finish(tile, i, v * kSumLanes, columns < kSumLanes ? columns : kSumLanes, sums[i][v]);
    }
  }
}

#include "backends/cpu/kernels/simd/bytes_s8.inl"
constexpr void (*kRunLine)(const LineS8&) = nullptr;

constexpr int kChannelRows = 1;
constexpr int kChannelColumns = kSumLanes;
constexpr SumPacking kChannelPacking = SumPacking::words;

void run_channels(const TileS8& tile) {
  Sum sum = load_sums(tile.start);
  const auto* weights = static_cast<const std::int16_t*>(tile.weights);
  for (std::int64_t t = 0; t < tile.taps; ++t) {
    const std::uint8_t* x = tile.rows[t] + tile.row_offset;
    for (int i = 0; i < kSumLanes && i < tile.columns; ++i)
      sum.v[i] =
          wrapped_sum(sum.v[i], (x[i] ^ tile.flip) * weights[(t / 4 * kSumLanes + i) * 4 + t % 4]);
  }
  finish(tile, 0, 0, tile.columns < kSumLanes ? tile.columns : kSumLanes, sum);
}

#include "backends/cpu/kernels/simd/tile_s8.inl"

inline constexpr TileSetS8 kTileSetS8 = make_set<SumPacking::words, 2, 4, 2, 0, 0>();

}  // namespace generic

#if STROP_SIMD_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {

#include "backends/cpu/kernels/simd/each_index.inl"

constexpr int kSumLanes = 8;
using Weight = std::int16_t;
using Sum = __m256i;
struct Factor {
  __m256i low, high;  // bytes 0 and 1 of each column, bytes 2 and 3
};
struct Bytes {
  __m256i low, high;
};

inline Sum load_sums(const std::int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Sum set_sum(std::int32_t x) { return _mm256_set1_epi32(x); }
inline Sum add_sums(Sum a, Sum b) { return _mm256_add_epi32(a, b); }
inline Factor load_weights(const std::int16_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 16))};
}
inline __m256i spread_pair(std::uint32_t two) {
  return _mm256_set1_epi32(static_cast<int>((two & 0xff) | (two & 0xff00) << 8));
}
inline Bytes spread(std::uint32_t four) {
  return {spread_pair(four & 0xffff), spread_pair(four >> 16)};
}
inline Bytes flipped(const Bytes& x, const Bytes& flip) {
  return {_mm256_xor_si256(x.low, flip.low), _mm256_xor_si256(x.high, flip.high)};
}
inline Sum dot(Sum sum, const Bytes& x, const Factor& w) {
  return _mm256_add_epi32(
      sum, _mm256_add_epi32(_mm256_madd_epi16(x.low, w.low), _mm256_madd_epi16(x.high, w.high)));
}

inline void finish(const TileS8& tile, int row, int column, int columns, const Sum& sum) {
  alignas(32) std::int32_t lanes[kSumLanes] = {};
  if (tile.sums != nullptr) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum);
    for (int i = 0; i < columns; ++i) tile.sums[row * tile.sums_stride + column + i] = lanes[i];
    return;
  }
  const __m256i mask =
      _mm256_cmpgt_epi32(_mm256_set1_epi32(columns), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  if (tile.floats != nullptr) {
    const __m256 product =
        _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_maskload_ps(tile.multiplier + column, mask));
    _mm256_maskstore_ps(tile.floats + row * tile.floats_stride + column, mask,
                        _mm256_add_ps(product, _mm256_maskload_ps(tile.offset + column, mask)));
    return;
  }
  __m256 t =
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_maskload_ps(tile.multiplier + column, mask),
                      _mm256_maskload_ps(tile.offset + column, mask));
  if (tile.residual != nullptr) {
    const std::uint8_t* r = tile.residual + row * tile.residual_stride + column;
    for (int i = 0; i < columns; ++i) lanes[i] = (r[i] ^ tile.residual_flip) - tile.residual_zero;
    const __m256 x = _mm256_cvtepi32_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(lanes)));
    t = _mm256_fmadd_ps(x, _mm256_set1_ps(tile.residual_multiplier), t);
  }
  t = _mm256_min_ps(_mm256_max_ps(t, _mm256_setzero_ps()), _mm256_set1_ps(1.0f));
  const __m256 n = _mm256_fmadd_ps(t, _mm256_set1_ps(tile.range), _mm256_set1_ps(12582912.0f));
  const __m256i q = _mm256_add_epi32(_mm256_castps_si256(n), _mm256_set1_epi32(tile.low));
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), q);
  std::uint8_t* out = tile.out + row * tile.out_stride + column;
  for (int i = 0; i < columns; ++i) out[i] = static_cast<std::uint8_t>(lanes[i]);
}

template <int kRows, int kColumns>
inline void finish_tile(const TileS8& tile, const Sum (&sums)[kRows][kColumns]) {
  for (int i = 0; i < kRows && i < tile.row_count; ++i) {
    for (int v = 0; v < kColumns && v * kSumLanes < tile.columns; ++v) {
      const int columns = tile.columns - v * kSumLanes;
      finish(tile, i, v * kSumLanes, columns < kSumLanes ? columns : kSumLanes, sums[i][v]);
    }
  }
}

#include "backends/cpu/kernels/simd/bytes_s8.inl"
constexpr void (*kRunLine)(const LineS8&) = nullptr;

constexpr int kChannelRows = 4;
constexpr int kChannelColumns = kSumLanes;
constexpr SumPacking kChannelPacking = SumPacking::word_pairs;

// Eight bytes as the low halves of int32, whose products with int16 pairs are then exact.
inline __m256i load_channels(const std::uint8_t* p, int columns, __m256i flip) {
  __m128i bytes;
  if (columns >= kSumLanes) {
    bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  } else {
    std::uint8_t part[kSumLanes] = {};
    for (int i = 0; i < columns; ++i) part[i] = p[i];
    bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(part));
  }
  return _mm256_xor_si256(_mm256_cvtepu8_epi32(bytes), flip);
}

void run_channels(const TileS8& tile) {
  Sum sums[kChannelRows];
  for (int i = 0; i < kChannelRows; ++i) sums[i] = load_sums(tile.start);
  const auto* weights = static_cast<const std::int16_t*>(tile.weights);
  const __m256i flip = _mm256_set1_epi32(tile.flip);
  const std::int64_t last = tile.taps - 1;
  for (std::int64_t t = 0; t < tile.taps; t += 2, weights += kSumLanes * 2) {
    const std::uint8_t* const* first = tile.rows + t * kChannelRows;
    const std::uint8_t* const* second = tile.rows + (t < last ? t + 1 : last) * kChannelRows;
    const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    for (int i = 0; i < kChannelRows; ++i) {
      const __m256i a = load_channels(first[i] + tile.row_offset, tile.columns, flip);
      const __m256i b = load_channels(second[i] + tile.row_offset, tile.columns, flip);
      const __m256i pairs = _mm256_or_si256(a, _mm256_slli_epi32(b, 16));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, w));
    }
  }
  const int columns = tile.columns < kSumLanes ? tile.columns : kSumLanes;
  for (int i = 0; i < kChannelRows && i < tile.row_count; ++i) finish(tile, i, 0, columns, sums[i]);
}

#include "backends/cpu/kernels/simd/tile_s8.inl"

inline constexpr TileSetS8 kTileSetS8 = make_set<SumPacking::word_pairs, 2, 4, 4, 0, 0>();

}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(                                                          \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), \
    apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")
#endif
namespace avx512_vnni {

#include "backends/cpu/kernels/simd/each_index.inl"
// before what uses it:
#include "backends/cpu/kernels/simd/tile_s8_vnni.inl"
// which the tiles are made of:
#include "backends/cpu/kernels/simd/tile_s8.inl"

inline constexpr TileSetS8 kTileSetS8 = make_set<SumPacking::bytes, 4, 8, 8, 8, 6>();

}  // namespace avx512_vnni
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

const TileSetS8& tile_set_s8() {
#if STROP_SIMD_X86
  // AVX-512 without dot products of bytes has no more than AVX2 that pays here.
  if (isa() >= Isa::avx512_vnni) return avx512_vnni::kTileSetS8;
  if (isa() >= Isa::avx2) return avx2::kTileSetS8;
#endif
  return generic::kTileSetS8;
}

}  // namespace strop::cpu

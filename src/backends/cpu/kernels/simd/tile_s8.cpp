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
#endif

namespace strop::cpu {
namespace generic {

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
inline Factor load_weights(const std::int16_t* p) { return {p}; }
inline Bytes spread(std::uint32_t four) {
  return {{static_cast<std::int32_t>(four & 0xff), static_cast<std::int32_t>(four >> 8 & 0xff),
           static_cast<std::int32_t>(four >> 16 & 0xff), static_cast<std::int32_t>(four >> 24)}};
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

constexpr int kSumLanes = 16;
using Weight = std::int8_t;
using Sum = __m512i;
using Factor = __m512i;
using Bytes = __m512i;

inline Sum load_sums(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline Factor load_weights(const std::int8_t* p) { return _mm512_loadu_si512(p); }
inline Bytes spread(std::uint32_t four) { return _mm512_set1_epi32(static_cast<int>(four)); }
inline Sum dot(Sum sum, Bytes x, Factor w) { return _mm512_dpbusd_epi32(sum, x, w); }

inline void finish(const TileS8& tile, int row, int column, int columns, const Sum& sum) {
  const auto mask = static_cast<__mmask16>(columns >= 16 ? 0xffffu : (1u << columns) - 1u);
  if (tile.sums != nullptr) {
    _mm512_mask_storeu_epi32(tile.sums + row * tile.sums_stride + column, mask, sum);
    return;
  }
  __m512 t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum),
                             _mm512_maskz_loadu_ps(mask, tile.multiplier + column),
                             _mm512_maskz_loadu_ps(mask, tile.offset + column));
  if (tile.residual != nullptr) {
    const __m128i bytes = _mm_xor_si128(
        _mm_maskz_loadu_epi8(mask, tile.residual + row * tile.residual_stride + column),
        _mm_set1_epi8(static_cast<char>(tile.residual_flip)));
    const __m512i r =
        _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(tile.residual_zero));
    t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(r), _mm512_set1_ps(tile.residual_multiplier), t);
  }
  t = _mm512_min_ps(_mm512_max_ps(t, _mm512_setzero_ps()), _mm512_set1_ps(1.0f));
  const __m512 n = _mm512_fmadd_ps(t, _mm512_set1_ps(tile.range), _mm512_set1_ps(12582912.0f));
  const __m512i q = _mm512_add_epi32(_mm512_castps_si512(n), _mm512_set1_epi32(tile.low));
  _mm_mask_storeu_epi8(tile.out + row * tile.out_stride + column, mask, _mm512_cvtepi32_epi8(q));
}

constexpr int kChannelRows = 2;
constexpr int kChannelColumns = 64;
constexpr SumPacking kChannelPacking = SumPacking::lanes;

// Bytes of four taps side by side for each channel: unpacking works within 128 bits, so that sum j
// gets columns 16 k + 4 j + i, which the weights follow, and a transposition of 128-bit lanes
// brings the sums back in order.
void run_channels(const TileS8& tile) {
  Sum sums[kChannelRows][4];
  for (int j = 0; j < 4; ++j) {
    for (int i = 0; i < kChannelRows; ++i) sums[i][j] = _mm512_setzero_si512();
  }
  const auto* weights = static_cast<const std::int8_t*>(tile.weights);
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(tile.flip));
  const __mmask64 mask = tile.columns >= 64 ? ~__mmask64{0} : (__mmask64{1} << tile.columns) - 1;
  const std::int64_t last = tile.taps - 1;
  for (std::int64_t t = 0; t < tile.taps; t += 4, weights += 4 * 64) {
    for (int i = 0; i < kChannelRows; ++i) {
      const auto bytes = [&](std::int64_t tap) {
        const std::uint8_t* from = tile.rows[(tap < last ? tap : last) * kChannelRows + i];
        return _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + tile.row_offset), flip);
      };
      const __m512i a = bytes(t), b = bytes(t + 1), c = bytes(t + 2), d = bytes(t + 3);
      const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
      const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
      const __m512i quads[4] = {
          _mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
          _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)};
      for (int j = 0; j < 4; ++j)
        sums[i][j] = dot(sums[i][j], quads[j], load_weights(weights + j * 64));
    }
  }
  for (int i = 0; i < kChannelRows && i < tile.row_count; ++i) {
    const Sum low01 = _mm512_shuffle_i32x4(sums[i][0], sums[i][1], 0x44);
    const Sum high01 = _mm512_shuffle_i32x4(sums[i][0], sums[i][1], 0xee);
    const Sum low23 = _mm512_shuffle_i32x4(sums[i][2], sums[i][3], 0x44);
    const Sum high23 = _mm512_shuffle_i32x4(sums[i][2], sums[i][3], 0xee);
    const Sum in_order[4] = {
        _mm512_shuffle_i32x4(low01, low23, 0x88), _mm512_shuffle_i32x4(low01, low23, 0xdd),
        _mm512_shuffle_i32x4(high01, high23, 0x88), _mm512_shuffle_i32x4(high01, high23, 0xdd)};
    for (int j = 0; j < 4; ++j) {
      const int columns = tile.columns - j * kSumLanes;
      if (columns <= 0) break;
      const Sum sum = _mm512_add_epi32(in_order[j], load_sums(tile.start + j * kSumLanes));
      finish(tile, i, j * kSumLanes, columns < kSumLanes ? columns : kSumLanes, sum);
    }
  }
}

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

// SPDX-License-Identifier: Apache-2.0
// What tile_s8.inl needs, on AVX-512 with dot products of bytes. Finished sums leave their registers
// as 64 bytes at a time.

constexpr int kSumLanes = 16;
using Weight = std::int8_t;
using Sum = __m512i;
using Factor = __m512i;
using Bytes = __m512i;

inline Sum load_sums(const std::int32_t* p) { return _mm512_loadu_si512(p); }
inline Sum set_sum(std::int32_t x) { return _mm512_set1_epi32(x); }
inline Sum add_sums(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
inline Factor load_weights(const std::int8_t* p) { return _mm512_loadu_si512(p); }
inline Bytes spread(std::uint32_t four) { return _mm512_set1_epi32(static_cast<int>(four)); }
inline Bytes flipped(Bytes x, Bytes flip) { return _mm512_xor_si512(x, flip); }
inline Sum dot(Sum sum, Bytes x, Factor w) { return _mm512_dpbusd_epi32(sum, x, w); }

inline __mmask64 first_bytes(int count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

// What finishes a tile without another look at it: bytes that are stored might be its own.
template <bool kResidual, bool kClamps>
struct Requantizer {
  const float* multiplier;
  const float* offset;
  __m512 range;
  __m512i most, low;  // bytes
  const std::uint8_t* residual;
  __m128i residual_flip;
  __m512i residual_zero;
  __m512 residual_multiplier;

  explicit Requantizer(const TileS8& tile)
      : multiplier(tile.multiplier),
        offset(tile.offset),
        range(_mm512_set1_ps(tile.range)),
        most(_mm512_set1_epi8(static_cast<char>(static_cast<int>(tile.range)))),
        low(_mm512_set1_epi8(static_cast<char>(tile.low))) {
    if constexpr (kResidual) {
      residual_flip = _mm_set1_epi8(static_cast<char>(tile.residual_flip));
      residual_zero = _mm512_set1_epi32(tile.residual_zero);
      residual_multiplier = _mm512_set1_ps(tile.residual_multiplier);
    }
  }

  // The integers n of a vector of sums. Those of bounded tiles are clamped when they are packed.
  STROP_INLINE __m512i steps(Sum sum, int column, const std::uint8_t* bytes,
                                               __mmask16 mask) const {
    __m512 t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(multiplier + column),
                               _mm512_loadu_ps(offset + column));
    if constexpr (kResidual) {
      const __m128i q = _mm_xor_si128(_mm_maskz_loadu_epi8(mask, bytes), residual_flip);
      const __m512i r = _mm512_sub_epi32(_mm512_cvtepu8_epi32(q), residual_zero);
      t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(r), residual_multiplier, t);
    }
    if constexpr (kClamps)
      t = _mm512_min_ps(_mm512_max_ps(t, _mm512_setzero_ps()), _mm512_set1_ps(1.0f));
    const __m512 n = _mm512_fmadd_ps(t, range, _mm512_set1_ps(12582912.0f));
    return _mm512_sub_epi32(_mm512_castps_si512(n), _mm512_set1_epi32(0x4b400000));
  }

  // Four vectors of n as bytes. Packing works within 128 bits: lane k gets lanes k of all four.
  STROP_INLINE __m512i pack(const __m512i (&n)[4]) const {
    const __m512i words =
        _mm512_packus_epi16(_mm512_packs_epi32(n[0], n[1]), _mm512_packs_epi32(n[2], n[3]));
    return _mm512_add_epi8(_mm512_min_epu8(words, most), low);
  }
};

// Sums of which nothing is known, which is rare.
void finish_clamped(const TileS8& tile, const Sum* sums, int columns);

template <int kRows, int kColumns, class F>
STROP_INLINE inline void for_each_row(int count, F&& f) {
  for_each_index<kRows>([&](auto row) STROP_INLINE {
    if (row() < count) f(row);
  });
}

template <int kRows, int kColumns, bool kResidual>
STROP_INLINE inline void store_bytes(const TileS8& tile, const Sum (&sums)[kRows][kColumns],
                                     __mmask64 mask) {
  const Requantizer<kResidual, false> requantizer(tile);
  const __m512i in_order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  std::uint8_t* out = tile.out;
  const std::uint8_t* residual = tile.residual;
  const std::int64_t stride = tile.out_stride, residual_stride = tile.residual_stride;
  for_each_row<kRows, kColumns>(tile.row_count, [&](auto row) STROP_INLINE {
    __m512i n[4] = {};
    for_each_index<kColumns>([&](auto v) STROP_INLINE {
      n[v()] = requantizer.steps(sums[row()][v()], v() * 16, residual + v() * 16,
                                 static_cast<__mmask16>(mask >> (v() * 16)));
    });
    _mm512_mask_storeu_epi8(out, mask, _mm512_permutexvar_epi32(in_order, requantizer.pack(n)));
    out += stride;
    if constexpr (kResidual) residual += residual_stride;
  });
}

template <int kRows, int kColumns>
STROP_INLINE inline void store_sums(const TileS8& tile, const Sum (&sums)[kRows][kColumns],
                                    __mmask64 mask) {
  std::int32_t* out = tile.sums;
  const std::int64_t stride = tile.sums_stride;
  for_each_row<kRows, kColumns>(tile.row_count, [&](auto row) STROP_INLINE {
    for_each_index<kColumns>([&](auto v) STROP_INLINE {
      _mm512_mask_storeu_epi32(out + v() * 16, static_cast<__mmask16>(mask >> (v() * 16)),
                               sums[row()][v()]);
    });
    out += stride;
  });
}

template <int kRows, int kColumns>
STROP_INLINE inline void store_floats(const TileS8& tile, const Sum (&sums)[kRows][kColumns],
                                      __mmask64 mask) {
  const float* multiplier = tile.multiplier;
  const float* offset = tile.offset;
  float* out = tile.floats;
  const std::int64_t stride = tile.floats_stride;
  for_each_row<kRows, kColumns>(tile.row_count, [&](auto row) STROP_INLINE {
    for_each_index<kColumns>([&](auto v) STROP_INLINE {
      const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[row()][v()]),
                                           _mm512_loadu_ps(multiplier + v() * 16));
      _mm512_mask_storeu_ps(out + v() * 16, static_cast<__mmask16>(mask >> (v() * 16)),
                            _mm512_add_ps(product, _mm512_loadu_ps(offset + v() * 16)));
    });
    out += stride;
  });
}

template <int kRows, int kColumns>
STROP_INLINE inline void finish_tile(const TileS8& tile, const Sum (&sums)[kRows][kColumns]) {
  const __mmask64 mask =
      first_bytes(tile.columns < kColumns * kSumLanes ? tile.columns : kColumns * kSumLanes);
  if (tile.sums != nullptr) {
    store_sums(tile, sums, mask);
  } else if (tile.floats != nullptr) {
    store_floats(tile, sums, mask);
  } else if (!tile.bounded) {
    Sum copy[kRows * kColumns];  // so that the sums themselves stay in registers
    for_each_index<kRows * kColumns>([&](auto i) STROP_INLINE {
      copy[i()] = sums[i() / kColumns][i() % kColumns];
    });
    finish_clamped(tile, copy, kColumns);
  } else if (tile.residual != nullptr) {
    store_bytes<kRows, kColumns, true>(tile, sums, mask);
  } else {
    store_bytes<kRows, kColumns, false>(tile, sums, mask);
  }
}

constexpr int kChannelRows = 2;
constexpr int kChannelColumns = 64;
constexpr SumPacking kChannelPacking = SumPacking::lanes;

void finish_clamped(const TileS8& tile, const Sum* sums, int vectors) {
  for (int i = 0; i < tile.row_count; ++i) {
    for (int v = 0; v < vectors && v * kSumLanes < tile.columns; ++v) {
      const auto mask = static_cast<__mmask16>(first_bytes(tile.columns - v * kSumLanes));
      const std::uint8_t* r = tile.residual + i * tile.residual_stride + v * kSumLanes;
      const __m512i n = tile.residual != nullptr
                            ? Requantizer<true, true>(tile).steps(sums[v], v * kSumLanes, r, mask)
                            : Requantizer<false, true>(tile).steps(sums[v], v * kSumLanes, r, mask);
      const __m512i q = _mm512_add_epi32(n, _mm512_set1_epi32(tile.low));
      _mm_mask_storeu_epi8(tile.out + i * tile.out_stride + v * kSumLanes, mask,
                           _mm512_cvtepi32_epi8(q));
    }
    sums += vectors;
  }
}

template <bool kResidual, bool kClamps>
void run_bytes_as(const TileS8& tile, const std::uint8_t* x, std::int32_t zero, std::int64_t n) {
  const Requantizer<kResidual, kClamps> requantizer(tile);
  const __m128i flip = _mm_set1_epi8(static_cast<char>(tile.flip));
  const __m512i zeros = _mm512_set1_epi32(zero);
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (std::int64_t i = 0; i < n; i += 64) {
    const __mmask64 mask = first_bytes(n - i < 64 ? static_cast<int>(n - i) : 64);
    const std::uint8_t* residual = kResidual ? tile.residual + i : x;
    __m512i steps[4];
    for (int v = 0; v < 4; ++v) {
      const auto part = static_cast<__mmask16>(mask >> (v * 16));
      const __m128i q = _mm_xor_si128(_mm_maskz_loadu_epi8(part, x + i + v * 16), flip);
      steps[v] = requantizer.steps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(q), zeros), v * 16,
                                   residual + v * 16, part);
    }
    _mm512_mask_storeu_epi8(tile.out + i, mask,
                            _mm512_permutexvar_epi32(in_order, requantizer.pack(steps)));
  }
}

void run_bytes(const TileS8& tile, const std::uint8_t* x, std::int32_t zero, std::int64_t n) {
  if (tile.residual == nullptr) {
    (tile.bounded ? run_bytes_as<false, false> : run_bytes_as<false, true>)(tile, x, zero, n);
  } else {
    (tile.bounded ? run_bytes_as<true, false> : run_bytes_as<true, true>)(tile, x, zero, n);
  }
}

std::int32_t sum_row(const std::uint8_t* const* runs, std::int64_t stride, std::int64_t taps,
                     std::int64_t depth, std::uint8_t flip) {
  const __m512i flips = _mm512_set1_epi8(static_cast<char>(flip));
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i sum = _mm512_setzero_si512();
  const std::int64_t whole = depth / 64 * 64;
  const __mmask64 rest = first_bytes(static_cast<int>(depth - whole));
  const __m512i rest_ones = _mm512_maskz_mov_epi8(rest, ones);
  for (std::int64_t t = 0; t < taps; ++t) {
    const std::uint8_t* x = runs[t * stride];
    for (std::int64_t i = 0; i < whole; i += 64)
      sum = dot(sum, _mm512_xor_si512(_mm512_loadu_si512(x + i), flips), ones);
    if (rest == 0) continue;
    const __m512i bytes = _mm512_maskz_loadu_epi8(rest, x + whole);
    sum = dot(sum, _mm512_xor_si512(bytes, flips), rest_ones);
  }
  return _mm512_reduce_add_epi32(sum);
}

// Four vectors of columns in order as four of columns 16 k + 4 j + i in lane k, or back.
inline void transpose_lanes(__m512i (&v)[4]) {
  const __m512i low01 = _mm512_shuffle_i32x4(v[0], v[1], 0x44);
  const __m512i high01 = _mm512_shuffle_i32x4(v[0], v[1], 0xee);
  const __m512i low23 = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
  const __m512i high23 = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
  v[0] = _mm512_shuffle_i32x4(low01, low23, 0x88);
  v[1] = _mm512_shuffle_i32x4(low01, low23, 0xdd);
  v[2] = _mm512_shuffle_i32x4(high01, high23, 0x88);
  v[3] = _mm512_shuffle_i32x4(high01, high23, 0xdd);
}

// Bytes of four vectors side by side for each column. Unpacking works within 128 bits.
STROP_INLINE inline void interleave(__m512i a, __m512i b, __m512i c, __m512i d,
                                                      __m512i (&quads)[4]) {
  const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  quads[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
  quads[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
  quads[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
  quads[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

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
      __m512i quads[4];
      interleave(a, b, c, d, quads);
      for (int j = 0; j < 4; ++j)
        sums[i][j] = dot(sums[i][j], quads[j], load_weights(weights + j * 64));
    }
  }
  for (int i = 0; i < kChannelRows; ++i) {
    transpose_lanes(sums[i]);
    for (int j = 0; j < 4; ++j)
      sums[i][j] = _mm512_add_epi32(sums[i][j], load_sums(tile.start + j * kSumLanes));
  }
  finish_tile<kChannelRows, 4>(tile, sums);
}

// One line of a depthwise convolution: the four rows of a column of its window side by side, so that
// a column of the input is put together once for all the windows that see it.
class ChannelLine {
 public:
  explicit ChannelLine(const LineS8& line)
      : line_(line),
        flip_(_mm512_set1_epi8(static_cast<char>(line.tile.flip))),
        padding_(_mm512_set1_epi8(static_cast<char>(line.padding))),
        pixels_(first_bytes(line.tile.columns)),
        range_(line.tile) {
    for (int j = 0; j < 4; ++j) {
      start_[j] = load_sums(line.tile.start + j * kSumLanes);
      multiplier_[j] = _mm512_loadu_si512(line.tile.multiplier + j * kSumLanes);
      offset_[j] = _mm512_loadu_si512(line.tile.offset + j * kSumLanes);
    }
    transpose_lanes(start_);
    transpose_lanes(multiplier_);
    transpose_lanes(offset_);
    range_.multiplier = reinterpret_cast<const float*>(multiplier_);
    range_.offset = reinterpret_cast<const float*>(offset_);
  }

  void run() const {
    if (line_.kernel_w == 3 && line_.groups == 1 && line_.stride == 1 && line_.dilation == 1) {
      run_three<1>();
    } else if (line_.kernel_w == 3 && line_.groups == 1 && line_.stride == 2 &&
               line_.dilation == 1) {
      run_three<2>();
    } else {
      run_any();
    }
  }

 private:
  // The bytes of column w and, for narrow pixels, of those after it that exist.
  STROP_INLINE void read(std::int64_t w, int group, __m512i (&quads)[4]) const {
    __mmask64 inside = pixels_;
    if (w < 0 || w + line_.pixels > line_.width) {
      inside = 0;
      for (std::int64_t p = 0; p < line_.pixels; ++p) {
        if (w + p >= 0 && w + p < line_.width)
          inside |= first_bytes(line_.channels) << (p * line_.channels);
      }
    }
    const std::int64_t at = inside == 0 ? 0 : w * line_.pixel_bytes;
    const auto bytes = [&](int row) STROP_INLINE {
      const std::uint8_t* from = line_.rows[group * 4 + row];
      const __mmask64 mask = from == nullptr ? 0 : inside;
      return _mm512_xor_si512(
          _mm512_mask_loadu_epi8(padding_, mask, (from == nullptr ? line_.tile.out : from + at)),
          flip_);
    };
    const __m512i a = bytes(0), b = bytes(1), c = bytes(2);
    interleave(a, b, c, line_.rows_used > group * 4 + 3 ? bytes(3) : c, quads);
  }

  STROP_INLINE void finish(std::int64_t column, const Sum (&sums)[4]) const {
    __m512i n[4];
    for (int j = 0; j < 4; ++j) n[j] = range_.steps(sums[j], j * kSumLanes, nullptr, 0);
    // Packing brings the columns back in order.
    const std::int64_t left = (line_.out_width - column) * line_.channels;
    const __mmask64 mask = left >= 64 || line_.pixels == 1
                               ? pixels_
                               : first_bytes(static_cast<int>(left));
    _mm512_mask_storeu_epi8(line_.tile.out + column * line_.tile.out_stride, mask, range_.pack(n));
  }

  STROP_INLINE static void add(Sum (&sums)[4], const __m512i (&quads)[4],
                                                 const __m512i (&weights)[4]) {
    for (int j = 0; j < 4; ++j) sums[j] = dot(sums[j], quads[j], weights[j]);
  }

  template <int kStride>
  void run_three() const {
    const auto* weights = static_cast<const std::int8_t*>(line_.tile.weights);
    __m512i w[3][4];
    for (int k = 0; k < 3; ++k) {
      for (int j = 0; j < 4; ++j) w[k][j] = _mm512_loadu_si512(weights + (k * 4 + j) * 64);
    }
    std::int64_t from = -line_.pad_left;
    __m512i left[4], middle[4], right[4];
    read(from, 0, left);
    if constexpr (kStride == 1) read(from + 1, 0, middle);
    for (std::int64_t column = 0; column < line_.out_width; column += line_.pixels) {
      if constexpr (kStride == 2) read(from + 1, 0, middle);
      read(from + 2, 0, right);
      Sum sums[4] = {start_[0], start_[1], start_[2], start_[3]};
      add(sums, left, w[0]);
      add(sums, middle, w[1]);
      add(sums, right, w[2]);
      finish(column, sums);
      if (kStride == 1 && line_.pixels > 1) {
        from += line_.pixels;
        read(from, 0, left);
        read(from + 1, 0, middle);
        continue;
      }
      from += kStride;
      for (int j = 0; j < 4; ++j) {
        left[j] = kStride == 1 ? middle[j] : right[j];
        if constexpr (kStride == 1) middle[j] = right[j];
      }
    }
  }

  void run_any() const {
    for (std::int64_t column = 0; column < line_.out_width; column += line_.pixels) {
      const auto* weights = static_cast<const std::int8_t*>(line_.tile.weights);
      Sum sums[4] = {start_[0], start_[1], start_[2], start_[3]};
      for (std::int64_t k = 0; k < line_.kernel_w; ++k) {
        for (int group = 0; group < line_.groups; ++group, weights += 4 * 64) {
          __m512i quads[4], w[4];
          for (int j = 0; j < 4; ++j) w[j] = _mm512_loadu_si512(weights + j * 64);
          read(column * line_.stride - line_.pad_left + k * line_.dilation, group, quads);
          add(sums, quads, w);
        }
      }
      finish(column, sums);
    }
  }

  const LineS8& line_;
  const __m512i flip_, padding_;
  const __mmask64 pixels_;
  Requantizer<false, false> range_;
  __m512i start_[4], multiplier_[4], offset_[4];
};

void run_line(const LineS8& line) { ChannelLine(line).run(); }

constexpr void (*kRunLine)(const LineS8&) = run_line;

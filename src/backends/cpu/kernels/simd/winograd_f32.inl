// SPDX-License-Identifier: Apache-2.0
// See winograd_f32.hpp. A transform of a tile is one of its lines, then one of its columns.

// Of a line of m + 2 input pixels.
inline void transform_line2(const Vec (&d)[4], Vec (&out)[4]) {
  out[0] = sub(d[0], d[2]);
  out[1] = add(d[1], d[2]);
  out[2] = sub(d[2], d[1]);
  out[3] = sub(d[1], d[3]);
}

inline void transform_line4(const Vec (&d)[6], Vec (&out)[6]) {
  const Vec two = set(2.0f), four = set(-4.0f), five = set(-5.0f);
  const Vec even = fma(four, d[2], d[4]), odd = fma(four, d[1], d[3]);
  const Vec near = sub(d[4], d[2]), far = sub(d[3], d[1]);
  out[0] = fma(set(4.0f), d[0], fma(five, d[2], d[4]));
  out[1] = add(even, odd);
  out[2] = sub(even, odd);
  out[3] = fma(two, far, near);
  out[4] = fma(set(-2.0f), far, near);
  out[5] = fma(set(4.0f), d[1], fma(five, d[3], d[5]));
}

// Of a line of m + 2 sums to m output pixels.
inline void restore_line2(const Vec (&s)[4], Vec (&out)[2]) {
  out[0] = add(add(s[0], s[1]), s[2]);
  out[1] = sub(sub(s[1], s[2]), s[3]);
}

inline void restore_line4(const Vec (&s)[6], Vec (&out)[4]) {
  const Vec sum1 = add(s[1], s[2]), difference1 = sub(s[1], s[2]);
  const Vec sum2 = add(s[3], s[4]), difference2 = sub(s[3], s[4]);
  out[0] = add(s[0], add(sum1, sum2));
  out[1] = fma(set(2.0f), difference2, difference1);
  out[2] = fma(set(4.0f), sum2, sum1);
  out[3] = fma(set(8.0f), difference2, add(difference1, s[5]));
}

template <int kEdge, void (*transform)(const Vec (&)[kEdge], Vec (&)[kEdge]), bool whole>
inline void transform_channels(const WinogradInput& tile, std::int64_t c, int count) {
  Vec lines[kEdge][kEdge];
  for (int i = 0; i < kEdge; ++i) {
    Vec d[kEdge];
    for (int j = 0; j < kEdge; ++j) {
      const float* from = tile.taps[i * kEdge + j] + c;
      d[j] = whole ? load(from) : load_part(from, count);
    }
    transform(d, lines[i]);
  }
  for (int j = 0; j < kEdge; ++j) {
    Vec d[kEdge], values[kEdge];
    for (int i = 0; i < kEdge; ++i) d[i] = lines[i][j];
    transform(d, values);
    for (int i = 0; i < kEdge; ++i) {
      float* to = tile.out + (i * kEdge + j) * tile.out_stride + c;
      if (whole) {
        store(to, values[i]);
      } else {
        store_part(to, values[i], count);
      }
    }
  }
}

template <int kEdge, void (*transform)(const Vec (&)[kEdge], Vec (&)[kEdge])>
void transform_input(const WinogradInput& tile) {
  std::int64_t c = 0;
  for (; c + kLanes <= tile.channels; c += kLanes)
    transform_channels<kEdge, transform, true>(tile, c, kLanes);
  if (c < tile.channels)
    transform_channels<kEdge, transform, false>(tile, c, static_cast<int>(tile.channels - c));
}

template <int kEdge, int kPixels, void (*restore)(const Vec (&)[kEdge], Vec (&)[kPixels])>
void restore_output(const WinogradOutput& tile) {
  const Vec low = set(tile.low), high = set(tile.high);
  for (std::int64_t c = 0; c < tile.columns; c += kLanes) {
    const int count = static_cast<int>(tile.columns - c < kLanes ? tile.columns - c : kLanes);
    const bool whole = count == kLanes;
    Vec columns[kPixels][kEdge];
    for (int j = 0; j < kEdge; ++j) {
      Vec s[kEdge], values[kPixels];
      for (int i = 0; i < kEdge; ++i) s[i] = load(tile.sums + (i * kEdge + j) * tile.sums_stride + c);
      restore(s, values);
      for (int i = 0; i < kPixels; ++i) columns[i][j] = values[i];
    }
    Vec bias = zero();
    if (tile.bias != nullptr) bias = whole ? load(tile.bias + c) : load_part(tile.bias + c, count);
    for (int i = 0; i < kPixels; ++i) {
      Vec pixels[kPixels];
      restore(columns[i], pixels);
      for (int j = 0; j < kPixels; ++j) {
        float* out = tile.out[i * kPixels + j];
        if (out == nullptr) continue;
        Vec x = add(pixels[j], bias);
        const float* residual = tile.residual[i * kPixels + j];
        if (residual != nullptr)
          x = add(x, whole ? load(residual + c) : load_part(residual + c, count));
        // The bound first: max(bound, x) is x where x is NaN.
        x = min(high, max(low, x));
        if (whole) {
          store(out + c, x);
        } else {
          store_part(out + c, x, count);
        }
      }
    }
  }
}

inline constexpr WinogradSetF32 kWinogradSetF32 = {
    transform_input<4, transform_line2>, transform_input<6, transform_line4>,
    restore_output<4, 2, restore_line2>, restore_output<6, 4, restore_line4>};

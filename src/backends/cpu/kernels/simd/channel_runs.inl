// SPDX-License-Identifier: Apache-2.0
// See channel_runs.hpp. Plain loops: the compiler makes vectors of them for each instruction set.

template <class T>
void max_whole(T* to, const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = x[i] > to[i] ? x[i] : to[i];
}

inline void max_f32(float* to, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = x[i] > to[i] || x[i] != x[i] ? x[i] : to[i];
}

// As signed integers in the order of the numbers: the magnitude of negative ones is inverted. NaN
// lies beyond both infinities.
inline void max_bf16(std::uint16_t* to, const std::uint16_t* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto a = static_cast<std::int16_t>(to[i]), b = static_cast<std::int16_t>(x[i]);
    const auto ka = static_cast<std::int16_t>(a ^ ((a >> 15) & 0x7fff));
    const auto kb = static_cast<std::int16_t>(b ^ ((b >> 15) & 0x7fff));
    const bool is_nan = (b & 0x7fff) > 0x7f80;
    const bool stays = (a & 0x7fff) > 0x7f80;
    to[i] = is_nan || (kb > ka && !stays) ? x[i] : to[i];
  }
}

inline void add_f32(float* to, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += x[i];
}

inline void add_i32(std::int32_t* to, const std::int32_t* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    to[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(to[i]) +
                                      static_cast<std::uint32_t>(x[i]));
}

inline std::int32_t sum_i32(const std::int32_t* x, std::int64_t n) {
  std::uint32_t sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<std::uint32_t>(x[i]);
  return static_cast<std::int32_t>(sum);
}

template <class T>
void widen(std::int32_t* to, const T* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = x[i];
}

inline void scale_f32(float* to, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] *= factor;
}

inline void blend_f32(float* to, const float* a, float weight_a, const float* b, float weight_b,
                      std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = a[i] * weight_a + b[i] * weight_b;
}

inline float sum_f32(const float* x, std::int64_t n) {
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int v = 0; v < 4; ++v) sums[v] = add(sums[v], load(x + i + v * kLanes));
  }
  for (; i < n; i += kLanes) {
    const auto left = static_cast<int>(n - i < kLanes ? n - i : kLanes);
    sums[0] = add(sums[0], load_part(x + i, left));
  }
  return sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

// min and max give their second operand where either is NaN.
inline void range_f32(const float* x, std::int64_t n, float& low, float& high) {
  Vec lows[2] = {set(low), set(low)}, highs[2] = {set(high), set(high)};
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    for (int v = 0; v < 2; ++v) {
      const Vec a = load(x + i + v * kLanes);
      lows[v] = min(a, lows[v]);
      highs[v] = max(a, highs[v]);
    }
  }
  float each[kLanes];
  store(each, min(lows[0], lows[1]));
  for (const float a : each) low = a < low ? a : low;
  store(each, max(highs[0], highs[1]));
  for (const float a : each) high = a > high ? a : high;
  for (; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
}

// 12582912 is 1.5 * 2^23: added, it leaves the nearest even integer in the low bits.
inline void quantize(std::uint8_t* to, const float* x, float scale, std::int32_t zero,
                     std::int32_t low, std::int32_t high, std::int64_t n) {
  const auto least = static_cast<float>(low - zero), most = static_cast<float>(high - zero);
  for (std::int64_t i = 0; i < n; ++i) {
    float t = x[i] / scale;
    t = t != t ? 0.0f : t;
    t = t < least ? least : t;
    t = t > most ? most : t;
    const float moved = t + 12582912.0f;
    const auto whole = static_cast<std::int32_t>(moved - 12582912.0f);
    to[i] = static_cast<std::uint8_t>(whole + zero);
  }
}

template <class T>
void dequantize(float* to, const T* q, float scale, std::int32_t zero, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    to[i] = static_cast<float>(static_cast<std::int32_t>(q[i]) - zero) * scale;
}

inline constexpr ChannelRuns kChannelRuns = {
    max_f32,   max_bf16, max_whole<std::int8_t>,  max_whole<std::uint8_t>,  add_f32, add_i32, sum_i32, widen<std::int8_t>, widen<std::uint8_t>,
    scale_f32, blend_f32, sum_f32, range_f32, quantize,
    dequantize<std::int8_t>,            dequantize<std::uint8_t>, dequantize<std::int32_t>};

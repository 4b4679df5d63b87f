// SPDX-License-Identifier: Apache-2.0
// See rows_f32.hpp.

#include "backends/cpu/kernels/simd/exponential_f32.inl"

// term(v, n): vector v of the row, of which n floats count; lanes beyond must be zero.
template <class F>
inline float sum_of_vectors(std::int64_t count, F&& term) {
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int v = 0; v < 4; ++v) sums[v] = add(sums[v], term(i + v * kLanes, kLanes));
  }
  for (; i < count; i += kLanes) {
    const std::int64_t left = count - i;
    sums[0] = add(sums[0], term(i, static_cast<int>(left < kLanes ? left : kLanes)));
  }
  return sum(add(add(sums[0], sums[2]), add(sums[1], sums[3])));
}

inline Vec load_some(const float* p, int n) { return n == kLanes ? load(p) : load_part(p, n); }
inline void store_some(float* p, Vec a, int n) {
  if (n == kLanes) {
    store(p, a);
  } else {
    store_part(p, a, n);
  }
}
// x in the first n lanes, zeros after.
inline Vec set_some(float x, int n) {
  if (n == kLanes) return set(x);
  float lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = x;
  return load_part(lanes, n);
}
inline int lanes_at(std::int64_t i, std::int64_t count) {
  return static_cast<int>(count - i < kLanes ? count - i : kLanes);
}

inline void normalize_row(const float* x, const float* scale, const float* bias, float* y,
                          std::int64_t count, float epsilon, bool centred) {
  const auto size = static_cast<float>(count);
  const float mean =
      centred ? sum_of_vectors(count, [&](std::int64_t i, int n) { return load_some(x + i, n); }) /
                    size
              : 0.0f;
  const float squares = sum_of_vectors(count, [&](std::int64_t i, int n) {
    const Vec d = sub(load_some(x + i, n), set_some(mean, n));
    return mul(d, d);
  });
  const Vec inverse = set(1.0f / std::sqrt(squares / size + epsilon));
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = lanes_at(i, count);
    Vec value = mul(sub(load_some(x + i, n), set(mean)), inverse);
    if (scale != nullptr) value = mul(value, load_some(scale + i, n));
    if (bias != nullptr) value = add(value, load_some(bias + i, n));
    store_some(y + i, value, n);
  }
}

// The largest number, passing over NaN.
inline float largest_of(const float* x, std::int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  std::int64_t i = 0;
  if (count >= kLanes) {
    Vec most = set(largest);
    // max is its second operand where one is NaN.
    for (; i + kLanes <= count; i += kLanes) most = max(load(x + i), most);
    float lanes[kLanes];
    store(lanes, most);
    for (const float lane : lanes) largest = lane > largest ? lane : largest;
  }
  for (; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

// y = exp(x - largest); returns the sum.
inline float exponentials_of(const float* x, float* y, std::int64_t count, float largest) {
  return sum_of_vectors(count, [&](std::int64_t i, int n) {
    const Vec value = exponential(sub(load_some(x + i, n), set(largest)));
    store_some(y + i, value, n);
    return n == kLanes ? value : load_part(y + i, n);
  });
}

inline void multiply_row(const float* x, float* y, std::int64_t count, float factor) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = lanes_at(i, count);
    store_some(y + i, mul(load_some(x + i, n), set(factor)), n);
  }
}

inline void softmax_row(const float* x, float* y, std::int64_t count, bool log) {
  const float largest = largest_of(x, count);
  if (!log) {
    const float sum = exponentials_of(x, y, count, largest);
    for (std::int64_t i = 0; i < count; i += kLanes) {
      const int n = lanes_at(i, count);
      store_some(y + i, div(load_some(y + i, n), set(sum)), n);
    }
    return;
  }
  const float sum = sum_of_vectors(count, [&](std::int64_t i, int n) {
    const Vec value = exponential(sub(load_some(x + i, n), set(largest)));
    if (n == kLanes) return value;
    float lanes[kLanes];
    store(lanes, value);
    return load_part(lanes, n);
  });
  const float log_sum = std::log(sum);
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = lanes_at(i, count);
    store_some(y + i, sub(sub(load_some(x + i, n), set(largest)), set(log_sum)), n);
  }
}

inline float exponentials_of_scores(float* scores, std::int64_t count, float factor,
                                    const float* bias, std::int64_t bias_step, ScoreRow& row) {
  const float single = bias != nullptr && bias_step == 0 ? *bias : 0.0f;
  const bool whole = bias != nullptr && bias_step == 1;
  const auto score = [&](std::int64_t i, int n) {
    Vec value = mul(load_some(scores + i, n), set(factor));
    if (bias != nullptr) value = add(value, whole ? load_some(bias + i, n) : set(single));
    store_some(scores + i, value, n);
    return value;
  };
  // max is its second operand where one is NaN: the largest number, passing over NaN.
  Vec most = set(-std::numeric_limits<float>::infinity());
  std::int64_t at = 0;
  for (; at + kLanes <= count; at += kLanes) most = max(score(at, kLanes), most);
  if (at < count) score(at, static_cast<int>(count - at));
  float lanes[kLanes];
  store(lanes, most);
  float largest = lanes[0];
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  for (; at < count; ++at) largest = scores[at] > largest ? scores[at] : largest;
  if (row.largest > largest) largest = row.largest;
  // Where all is hidden so far, the exponentials are 0.
  const float origin = largest == -std::numeric_limits<float>::infinity() ? 0.0f : largest;
  float correction = 1.0f;
  if (row.largest != largest) {
    store(lanes, exponential(set(row.largest - origin)));
    correction = lanes[0];
  }
  row.sum = row.sum * correction + exponentials_of(scores, scores, count, origin);
  row.largest = largest;
  return correction;
}

inline constexpr RowSetF32 kRowSetF32 = {normalize_row, softmax_row, exponentials_of_scores,
                                         multiply_row};

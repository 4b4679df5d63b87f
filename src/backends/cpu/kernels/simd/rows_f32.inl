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
inline int lanes_at(std::int64_t i, std::int64_t count) {
  return static_cast<int>(count - i < kLanes ? count - i : kLanes);
}

// What is rounded once from double is the same to the bit, however the sums were arranged, but for
// one result in millions: so a quantised model sees the reference's bytes after these functions.
// Loops over the lanes have constant bounds, so that compilers make vectors of them.
inline constexpr std::int64_t kDoubles = 16;

template <class F>
inline double sum_of_doubles(std::int64_t count, F&& term) {
  double lanes[kDoubles] = {};
  std::int64_t i = 0;
  for (; i + kDoubles <= count; i += kDoubles) {
    for (std::int64_t k = 0; k < kDoubles; ++k) lanes[k] += term(i + k);
  }
  for (; i < count; ++i) lanes[0] += term(i);
  for (std::int64_t half = kDoubles / 2; half > 0; half /= 2) {
    for (std::int64_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

inline void normalize_row(const float* x, const float* scale, const float* bias, float* y,
                          std::int64_t count, double epsilon, bool centred) {
  const auto size = static_cast<double>(count);
  const double mean =
      centred
          ? sum_of_doubles(count, [&](std::int64_t i) { return static_cast<double>(x[i]); }) / size
          : 0.0;
  const double squares = sum_of_doubles(count, [&](std::int64_t i) {
    const double d = static_cast<double>(x[i]) - mean;
    return d * d;
  });
  const double inverse = 1.0 / std::sqrt(squares / size + epsilon);
  const auto normal = [&](std::int64_t i) { return (static_cast<double>(x[i]) - mean) * inverse; };
  const auto scaled = [&](std::int64_t i) { return normal(i) * static_cast<double>(scale[i]); };
  const auto shift = [&](std::int64_t i) { return static_cast<double>(bias[i]); };
  if (scale != nullptr && bias != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(scaled(i) + shift(i));
  } else if (scale != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(scaled(i));
  } else if (bias != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(normal(i) + shift(i));
  } else {
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<float>(normal(i));
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

// e^x for x <= 0, within a unit in the last place of double: x = n ln 2 + r as above, and the series
// of r. What is below the smallest float anyway is not exact.
inline double exponential_of_double(double x) {
  const double bounded = x < -700.0 ? -700.0 : x;
  const double shifted = bounded * 1.4426950408889634 + 6755399441055744.0;  // 1.5 * 2^52
  const double n = shifted - 6755399441055744.0;
  const double r = (bounded - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  // n is in the low bits of `shifted`.
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) + 1023u) << 52;
  const double y = p * std::bit_cast<double>(power);
  return x == x ? y : x;
}

inline void softmax_row(const float* x, float* y, std::int64_t count, bool log) {
  constexpr std::int64_t kChunk = 1024;
  const auto largest = static_cast<double>(largest_of(x, count));
  double values[kChunk];
  const auto exponentials = [&](std::int64_t first, std::int64_t size) {
    for (std::int64_t k = 0; k < size; ++k)
      values[k] = exponential_of_double(static_cast<double>(x[first + k]) - largest);
  };
  double sum = 0;
  for (std::int64_t i = 0; i < count; i += kChunk) {
    const std::int64_t size = count - i < kChunk ? count - i : kChunk;
    exponentials(i, size);
    sum += sum_of_doubles(size, [&](std::int64_t k) { return values[k]; });
  }
  if (log) {
    const double log_sum = std::log(sum);
    for (std::int64_t i = 0; i < count; ++i)
      y[i] = static_cast<float>(static_cast<double>(x[i]) - largest - log_sum);
    return;
  }
  for (std::int64_t i = 0; i < count; i += kChunk) {
    const std::int64_t size = count - i < kChunk ? count - i : kChunk;
    if (count > kChunk) exponentials(i, size);
    for (std::int64_t k = 0; k < size; ++k) y[i + k] = static_cast<float>(values[k] / sum);
  }
}

inline void softmax_columns(const float* x, float* y, std::int64_t count, std::int64_t stride,
                            std::int64_t columns, bool log) {
  constexpr std::int64_t kKept = 64;  // rows whose exponentials are not computed again
  float row[kSoftmaxColumns] = {}, largest[kSoftmaxColumns];
  double values[kKept][kSoftmaxColumns], sum[kSoftmaxColumns] = {};
  const auto load_row = [&](std::int64_t i) {
    for (std::int64_t c = 0; c < columns; ++c) row[c] = x[i * stride + c];
  };
  const auto exponentials = [&](double* to) {
    for (std::int64_t c = 0; c < kSoftmaxColumns; ++c)
      to[c] = exponential_of_double(static_cast<double>(row[c]) - static_cast<double>(largest[c]));
  };
  for (float& each : largest) each = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < count; ++i) {
    load_row(i);
    for (std::int64_t c = 0; c < kSoftmaxColumns; ++c)
      largest[c] = row[c] > largest[c] ? row[c] : largest[c];
  }
  for (std::int64_t i = 0; i < count; ++i) {
    load_row(i);
    double* kept = values[i < kKept ? i : kKept - 1];
    exponentials(kept);
    for (std::int64_t c = 0; c < kSoftmaxColumns; ++c) sum[c] += kept[c];
  }
  for (std::int64_t c = 0; log && c < kSoftmaxColumns; ++c) sum[c] = std::log(sum[c]);
  for (std::int64_t i = 0; i < count; ++i) {
    double* kept = values[i < kKept ? i : kKept - 1];
    load_row(i);
    if (!log && i >= kKept - 1 && count > kKept) exponentials(kept);
    for (std::int64_t c = 0; c < kSoftmaxColumns; ++c) {
      row[c] = static_cast<float>(
          log ? static_cast<double>(row[c]) - static_cast<double>(largest[c]) - sum[c]
              : kept[c] / sum[c]);
    }
    for (std::int64_t c = 0; c < columns; ++c) y[i * stride + c] = row[c];
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

inline constexpr RowSetF32 kRowSetF32 = {normalize_row, softmax_row, softmax_columns, exponentials_of_scores,
                                         multiply_row};

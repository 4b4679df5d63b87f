// SPDX-License-Identifier: Apache-2.0
// The statistics that layer_norm and group_norm share: mean and inverse deviation of one row of
// numbers, the mean first and then the squares around it. Sums have eight partial ones in a fixed
// order, so the result depends on the row alone, and 16-bit floats come in as float.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

namespace strop {

template <class C>
struct RowStatistics {
  C mean = 0;
  C inverse = 1;  // 1 / sqrt(variance + epsilon)
};

// The sum of term(i) for i in [0, count).
template <class C, class F>
C sum_in_lanes(std::int64_t count, F&& term) {
  constexpr std::int64_t kLanes = 8;
  std::array<C, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) lanes[static_cast<std::size_t>(k)] += term(i + k);
  }
  for (; i < count; ++i) lanes[0] += term(i);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// Without `centred` the mean stays 0, and the root mean square takes the place of the deviation.
template <class C>
RowStatistics<C> statistics_of(const C* row, std::int64_t count, bool centred, C epsilon) {
  const C size = static_cast<C>(count);
  RowStatistics<C> out;
  if (centred) out.mean = sum_in_lanes<C>(count, [&](std::int64_t i) { return row[i]; }) / size;
  const C squares = sum_in_lanes<C>(count, [&](std::int64_t i) {
    const C distance = row[i] - out.mean;
    return distance * distance;
  });
  out.inverse = C(1) / std::sqrt(squares / size + epsilon);
  return out;
}

}  // namespace strop

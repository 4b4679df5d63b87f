// SPDX-License-Identifier: Apache-2.0
// a * b + c in FP32 with one rounding, on any machine. C libraries' fmaf is not used: some round
// twice where the processor has no such instruction.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace strop {

// Without the instruction: the product of two floats is exact in FP64. Its sum with c is rounded to
// odd there (TwoSum tells whether and on which side it was inexact), which leaves enough for the
// rounding to FP32 to come out as if it were the only one (Boldo and Melquiond, "Emulation of FMA
// and correctly rounded sums: proved algorithms using rounding to odd", IEEE Trans. Comput. 2008).
inline float exact_fma_emulated(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  double sum = product + addend;
  if (!std::isfinite(sum)) return static_cast<float>(sum);
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  if (error != 0.0 && (std::bit_cast<std::uint64_t>(sum) & 1u) == 0) {
    // Towards the exact value's other neighbour, whose last bit is 1.
    const bool grows = (error > 0.0) == (sum > 0.0);
    const auto bits = std::bit_cast<std::uint64_t>(sum);
    sum = std::bit_cast<double>(sum == 0.0 ? bits : grows ? bits + 1 : bits - 1);
  }
  return static_cast<float>(sum);
}

inline float exact_fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return exact_fma_emulated(a, b, c);
#endif
}

}  // namespace strop

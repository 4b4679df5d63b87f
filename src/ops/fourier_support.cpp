// SPDX-License-Identifier: Apache-2.0
#include "ops/fourier_support.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr std::int64_t kLongestSum = 32;
// Squares of indices are taken in 64 bits.
constexpr std::int64_t kLongest = std::int64_t{1} << 31;

ComplexNumber operator*(ComplexNumber a, ComplexNumber b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
ComplexNumber operator+(ComplexNumber a, ComplexNumber b) { return {a.re + b.re, a.im + b.im}; }
ComplexNumber operator-(ComplexNumber a, ComplexNumber b) { return {a.re - b.re, a.im - b.im}; }

// exp(-2 pi i part / whole)
ComplexNumber root(std::int64_t part, std::int64_t whole) {
  const double angle =
      -2 * std::numbers::pi * static_cast<double>(part % whole) / static_cast<double>(whole);
  return {std::cos(angle), std::sin(angle)};
}

bool is_power_of_two(std::int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

void swap_parts(ComplexNumber* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) std::swap(x[i].re, x[i].im);
}

}  // namespace

FourierPlan::FourierPlan(std::int64_t length) : length_(length), padded_(0) {
  if (length < 1 || length > kLongest) {
    throw Error(ErrorCode::limit_exceeded,
                "a Fourier transform of length " + std::to_string(length),
                "lengths are from 1 to " + std::to_string(kLongest));
  }
  const auto size = static_cast<std::size_t>(length);
  if (is_power_of_two(length)) {
    padded_ = length;
  } else if (length > kLongestSum) {
    padded_ = static_cast<std::int64_t>(std::bit_ceil(2 * static_cast<std::uint64_t>(length) - 1));
  }
  if (padded_ == 0) {
    for (std::int64_t k = 0; k < length; ++k) roots_.push_back(root(k, length));
    return;
  }
  roots_.resize(static_cast<std::size_t>(padded_ / 2));
  for (std::size_t k = 0; k < roots_.size(); ++k) {
    roots_[k] = root(static_cast<std::int64_t>(k), padded_);
  }
  if (padded_ == length) return;
  chirp_.resize(size);
  filter_.resize(static_cast<std::size_t>(padded_));
  for (std::size_t k = 0; k < size; ++k) {
    const auto index = static_cast<std::int64_t>(k);
    chirp_[k] = root(index * index % (2 * length), 2 * length);
    const ComplexNumber inverse{chirp_[k].re, -chirp_[k].im};
    filter_[k] = inverse;
    if (k > 0) filter_[filter_.size() - k] = inverse;
  }
  radix_2(filter_.data());
}

void FourierPlan::radix_2(ComplexNumber* x) const {
  const std::int64_t n = padded_;
  for (std::int64_t i = 1, j = 0; i < n; ++i) {  // j is i with its bits in reverse
    std::int64_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(x[i], x[j]);
  }
  for (std::int64_t half = 1; half < n; half *= 2) {
    const std::int64_t stride = n / (2 * half);
    for (std::int64_t start = 0; start < n; start += 2 * half) {
      for (std::int64_t k = 0; k < half; ++k) {
        const ComplexNumber even = x[start + k];
        const ComplexNumber odd =
            x[start + k + half] * roots_[static_cast<std::size_t>(k * stride)];
        x[start + k] = even + odd;
        x[start + k + half] = even - odd;
      }
    }
  }
}

void FourierPlan::direct(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const {
  scratch.assign(x, x + length_);
  for (std::int64_t k = 0; k < length_; ++k) {
    ComplexNumber sum;
    for (std::int64_t n = 0; n < length_; ++n) {
      sum = sum + scratch[static_cast<std::size_t>(n)] *
                      roots_[static_cast<std::size_t>(k * n % length_)];
    }
    x[k] = sum;
  }
}

// A convolution with the chirp, by transforms of a length that is a power of two.
void FourierPlan::chirp(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const {
  scratch.assign(static_cast<std::size_t>(padded_), ComplexNumber{});
  for (std::size_t k = 0; k < chirp_.size(); ++k) scratch[k] = x[k] * chirp_[k];
  radix_2(scratch.data());
  for (std::size_t k = 0; k < scratch.size(); ++k) scratch[k] = scratch[k] * filter_[k];
  swap_parts(scratch.data(), padded_);  // turns the transform into its inverse
  radix_2(scratch.data());
  const double scale = 1 / static_cast<double>(padded_);
  for (std::size_t k = 0; k < chirp_.size(); ++k) {
    x[k] = ComplexNumber{scratch[k].im * scale, scratch[k].re * scale} * chirp_[k];
  }
}

void FourierPlan::forward(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const {
  if (padded_ == 0) return direct(x, scratch);
  if (!chirp_.empty()) return chirp(x, scratch);
  radix_2(x);
}

void FourierPlan::inverse(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const {
  swap_parts(x, length_);
  forward(x, scratch);
  const double scale = 1 / static_cast<double>(length_);
  for (std::int64_t i = 0; i < length_; ++i) x[i] = {x[i].im * scale, x[i].re * scale};
}

}  // namespace strop

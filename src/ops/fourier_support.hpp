// SPDX-License-Identifier: Apache-2.0
// The discrete Fourier transform of any length in O(n log n), in double: radix 2 for powers of two,
// Bluestein's chirp ("A linear filtering approach to the computation of the discrete Fourier
// transform", 1970) for other lengths, and the plain sum up to 32.
#pragma once

#include <cstdint>
#include <vector>

namespace strop {

struct ComplexNumber {
  double re = 0, im = 0;
};

// Tables for one length; used by any number of threads, each with a scratch of its own.
class FourierPlan {
 public:
  explicit FourierPlan(std::int64_t length);

  std::int64_t length() const { return length_; }
  // x[k] = sum over n of x[n] exp(-2 pi i k n / length), in place. `scratch` is kept between calls.
  void forward(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const;
  // The same with the other sign, divided by the length.
  void inverse(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const;

 private:
  void direct(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const;
  void chirp(ComplexNumber* x, std::vector<ComplexNumber>& scratch) const;
  // Of padded_ elements.
  void radix_2(ComplexNumber* x) const;

  std::int64_t length_;
  std::int64_t padded_;                // a power of two, or 0: the plain sum
  std::vector<ComplexNumber> roots_;   // exp(-2 pi i k / padded_), or / length_ for the plain sum
  std::vector<ComplexNumber> chirp_;   // exp(-pi i k^2 / length_); empty: length_ is padded_
  std::vector<ComplexNumber> filter_;  // transform of the inverse chirp
};

}  // namespace strop

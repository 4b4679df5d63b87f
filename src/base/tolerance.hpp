// SPDX-License-Identifier: Apache-2.0
// How far two computations of the same thing may differ, by element type: the one table that tests
// and the builder's self-check use. Differences are norm-wise: largest absolute difference over
// largest absolute value of the reference.
#pragma once

#include <string>

#include "base/tensor.hpp"

namespace strop {

// Allowed largest relative error of a whole model or a single operator. 0: must be equal to the
// bit. `precise` is for engines built without reassociating kernels.
double tolerance_of(DType dtype, bool precise = false);

struct Difference {
  double largest_relative =
      0;  // norm-wise; infinity for differing shapes or types, or NaN on one side only
  std::int64_t first_index = -1;  // first element that differs by more than the tolerance; -1: none
  std::string text;               // "largest error 3e-7 at 12 of f32[1,10]: 0.5 against 0.5000001"
};

// Integers, bools and strings count as different by 1 where they differ at all.
Difference compare(const Tensor& got, const Tensor& expected, double tolerance);

}  // namespace strop

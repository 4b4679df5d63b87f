// SPDX-License-Identifier: Apache-2.0
// The constants that kernels/requantize.cuh is made of.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.hpp"

namespace strop::cuda {

// How sums become bytes (ops/requantize.hpp), beside a multiplier and an offset a channel.
struct GemmRequantize {
  std::int64_t low = -128, high = 127;
  bool corrected = false;  // something is added to the sums first
  bool residual = false;
  DType residual_type = DType::i8;
  std::int64_t residual_zero = 0;
  float residual_multiplier = 0;
  bool table = false;  // the bytes are looked up in one
};

std::string requantize_source(const GemmRequantize& requantize);

}  // namespace strop::cuda

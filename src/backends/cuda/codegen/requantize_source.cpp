// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/requantize_source.hpp"

#include <fmt/format.h>

#include "backends/cuda/codegen/epilogue_source.hpp"

namespace strop::cuda {

std::string requantize_source(const GemmRequantize& requantize) {
  // An even bound may be part of the number whose ulp does the rounding; an odd one would move
  // where halves go.
  const bool even = requantize.low % 2 == 0;
  const bool is_signed = requantize.residual_type == DType::i8;
  const auto bias = static_cast<float>(8388608 + (is_signed ? 128 : 0) + requantize.residual_zero);
  return fmt::format(
      "constexpr bool kCorrected = {}, kSignedTensor = {}, kTable = {};\n"
      "constexpr float kTensorBias = {}, kTensorMultiplier = {};\n"
      "constexpr float kRange = {}, kRounder = {};\nconstexpr int kAfter = {};\n",
      requantize.corrected, is_signed, requantize.table, float_literal(bias),
      float_literal(requantize.residual_multiplier),
      float_literal(static_cast<float>(requantize.high - requantize.low)),
      float_literal(static_cast<float>(12582912 + (even ? requantize.low : 0))),
      even ? 0 : requantize.low);
}

}  // namespace strop::cuda

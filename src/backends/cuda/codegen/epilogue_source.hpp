// SPDX-License-Identifier: Apache-2.0
// What a kernel does to each element of its result before it is stored: a chain of pointwise steps
// on one running f32 value, as the text of a device function.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/binary.hpp"
#include "ops/unary.hpp"

namespace strop::cuda {

// The other operand of a binary step.
struct EpilogueOperand {
  enum Kind : std::uint8_t {
    scalar,   // `value`
    channel,  // one f32 a channel (a column of a product); number `index` of those
    tensor,   // one element an element of the result; number `index` of those
  } kind = scalar;
  std::uint32_t index = 0;
  float value = 0;
};

struct EpilogueStep {
  enum Kind : std::uint8_t { unary, binary, clip } kind = unary;
  UnaryFunction unary_function = UnaryFunction::relu;
  BinaryFunction binary_function = BinaryFunction::add;
  double alpha = 0, beta = 0;  // of a unary function; the bounds of a clip
  EpilogueOperand operand;     // of a binary function
  bool swapped = false;        // the running value is the second operand
};

using Epilogue = std::vector<EpilogueStep>;

// Whether there is text for it: functions from f32 to f32.
bool has_source(UnaryFunction function);
bool has_source(BinaryFunction function);

// How many operands of that kind the steps name: one more than the largest index.
std::uint32_t operand_count(std::span<const EpilogueStep> steps, EpilogueOperand::Kind kind);

// A literal that is this very number.
std::string float_literal(float value);
// "unary_elu(x, 0x1p+0f)" for the text "x". `narrow`: its result is rounded to f16 or bf16, for
// which some functions have faster versions.
std::string call_source(UnaryFunction function, double alpha, double beta, const std::string& x,
                        bool narrow = false);
std::string call_source(BinaryFunction function, const std::string& a, const std::string& b);

// `__device__ __forceinline__ float epilogue(float x, const float* channel, const float* tensor)`,
// where channel[i] and tensor[i] are the values of operand i. It calls functions of
// kernels/pointwise_functions.cuh, whose text must come before it. `narrow`: as in call_source.
std::string epilogue_source(std::span<const EpilogueStep> steps, bool narrow);

}  // namespace strop::cuda

// SPDX-License-Identifier: Apache-2.0
// What happens to each output element of a fused kernel after the main sum: a chain of pointwise
// steps on one running value. Tactics write it into a kernel's parameters, kernels read it:
// "unary:relu:0:0|binary:add:2:0|clip:0:6".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strop::cpu {

struct EpilogueStep {
  enum Kind : std::uint8_t { unary, binary, clip } kind = unary;
  std::string function;        // of unary and binary: the function's name in the IR
  double alpha = 0, beta = 0;  // unary: its parameters; clip: bounds
  std::uint32_t input = 0;     // binary: which input of the kernel is the other operand
  bool swapped = false;        // binary: the running value is the second operand
};

using Epilogue = std::vector<EpilogueStep>;

std::string to_text(const Epilogue& epilogue);
Epilogue parse_epilogue(std::string_view text);  // throws Error(engine_invalid)

}  // namespace strop::cpu

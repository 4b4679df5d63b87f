// SPDX-License-Identifier: Apache-2.0
// What happens to each output element of a fused kernel after the main sum: a chain of pointwise
// steps on one running value. Backends have their own ways to write it down.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace strop {

struct EpilogueStep {
  enum Kind : std::uint8_t { unary, binary, clip } kind = unary;
  std::string function;        // of unary and binary: the function's name in the IR
  double alpha = 0, beta = 0;  // unary: its parameters; clip: bounds
  std::uint32_t input = 0;     // binary: which input of the node is the other operand
  bool swapped = false;        // binary: the running value is the second operand
};

using Epilogue = std::vector<EpilogueStep>;

}  // namespace strop

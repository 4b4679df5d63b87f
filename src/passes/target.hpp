// SPDX-License-Identifier: Apache-2.0
// What a pass may know of where the graph will run.
#pragma once

#include <cstdint>
#include <string>

#include "base/dtype.hpp"

namespace strop {

struct Target {
  std::string backend = "reference";  // "reference", "cpu", "cuda"
  bool precise = false;               // leave out whatever reassociates floating-point arithmetic
  // What products with constant weights take their operands in (--precision): f32 or bf16.
  DType operands = DType::f32;
  // Bytes that constants made by folding may take together, whatever each of them takes.
  std::int64_t fold_bytes = std::int64_t{1} << 30;
};

}  // namespace strop

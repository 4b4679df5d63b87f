// SPDX-License-Identifier: Apache-2.0
// What a pass may know of where the graph will run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "base/dtype.hpp"

namespace strop {

class Graph;

// The finite elements of a value in FP32, on sample inputs.
struct ValueRange {
  double lowest = 0, highest = 0;
};

struct ValueRanges {
  std::unordered_map<std::string, ValueRange> of;  // by the value's name; some may be missing
  std::string note;                                // why there are none; empty: there are
};

struct Target {
  std::string backend = "reference";  // "reference", "cpu", "cuda"
  int compute_capability = 0;         // of a GPU, 90 for 9.0; 0: none, or not known
  bool precise = false;               // leave out whatever reassociates floating-point arithmetic
  // What products with constant weights take their operands in (--precision): f32 or bf16.
  DType operands = DType::f32;
  // What f32 values are stored in: f32, f16 or bf16. Sums stay f32 inside of operators.
  DType storage = DType::f32;
  // Bytes that constants made by folding may take together, whatever each of them takes.
  std::int64_t fold_bytes = std::int64_t{1} << 30;
  // Asked for by a pass that stores values in f16, with the graph as it is then. Null: nothing is
  // known of values.
  std::function<ValueRanges(const Graph&)> ranges = {};
};

}  // namespace strop

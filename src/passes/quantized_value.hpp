// SPDX-License-Identifier: Apache-2.0
// Quantised values as passes see them: a dequantize_linear or quantize_linear node with constant
// parameters, and the numbers of the integer arithmetic (INT8 contract in docs/int8.md).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

inline bool is_byte(DType dtype) { return dtype == DType::i8 || dtype == DType::u8; }

// value = (q - zero) * scale. One scale and zero, or one per index of `axis`. Scales are normal,
// finite, positive.
struct QuantizedValue {
  ValueId q;
  DType dtype = DType::undefined;
  std::vector<float> scales;
  std::vector<std::int64_t> zeros;
  std::int64_t axis = 0;

  bool is_single() const { return scales.size() == 1; }
  float scale() const { return scales[0]; }
  std::int64_t zero() const { return zeros[0]; }
};

// What `value` is made of, when its producer is a dequantize_linear to f32 with constant
// parameters.
std::optional<QuantizedValue> dequantized(const Graph& graph, ValueId value);
// What the node makes, when it is a quantize_linear to i8 or u8 with one constant scale and zero.
// `q` is the node's output.
std::optional<QuantizedValue> quantized(const Graph& graph, const Node& node);

// A range of results: the output type's, narrowed by relu and clip between sum and quantisation.
struct QuantizedRange {
  std::int64_t low = 0, high = 0;
};
QuantizedRange whole_range(DType dtype);
// The value's quantisation: clamp(round(x / scale) + zero), as quantize_linear computes it.
std::int64_t quantize(double x, const QuantizedValue& to);

}  // namespace strop

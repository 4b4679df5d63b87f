// SPDX-License-Identifier: Apache-2.0
#include "passes/quantized_value.hpp"

#include <algorithm>
#include <cmath>

#include "base/float_types.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/quantize_linear.hpp"

namespace strop {
namespace {

// Scales and zeros from constant operands; false when they are none, or no numbers to compute with.
bool read_parameters(const Graph& graph, const Node& node, QuantizedValue& out) {
  const Value& scale = graph.value(node.inputs[1]);
  if (!scale.is_constant() || scale.constant.dtype() != DType::f32 || scale.constant.rank() > 1 ||
      scale.constant.size() == 0)
    return false;
  for (const float s : scale.constant.values<float>()) {
    if (!std::isnormal(s) || s <= 0) return false;
    out.scales.push_back(s);
  }
  out.zeros.assign(out.scales.size(), 0);
  if (!node.input(2).exists()) return true;
  const Value& zero = graph.value(node.inputs[2]);
  if (!zero.is_constant()) return false;
  const Tensor& zeros = zero.constant;
  if (zeros.size() != 1 && zeros.size() != static_cast<std::int64_t>(out.zeros.size()))
    return false;
  for (std::size_t i = 0; i < out.zeros.size(); ++i) {
    const auto at = zeros.size() == 1 ? 0 : static_cast<std::int64_t>(i);
    out.zeros[i] = static_cast<std::int64_t>(load_as_double(zeros.dtype(), zeros.data(), at));
  }
  return true;
}

}  // namespace

std::optional<QuantizedValue> dequantized(const Graph& graph, ValueId value) {
  const Node* node = graph.producer(value);
  if (node == nullptr || !node->is(op_dequantize_linear())) return std::nullopt;
  const auto& attributes = node->as<DequantizeLinearAttributes>();
  const Type& type = graph.value(node->inputs[0]).type;
  if (attributes.block_size != 0 || attributes.to != DType::f32 ||
      (!is_byte(type.dtype) && type.dtype != DType::i32)) {
    return std::nullopt;
  }
  QuantizedValue out;
  out.q = node->inputs[0];
  out.dtype = type.dtype;
  if (!read_parameters(graph, *node, out)) return std::nullopt;
  if (!out.is_single()) {
    if (!type.shape) return std::nullopt;
    out.axis = normalize_axis(attributes.axis, type.rank());
  }
  return out;
}

std::optional<QuantizedValue> quantized(const Graph& graph, const Node& node) {
  if (!node.is(op_quantize_linear())) return std::nullopt;
  const auto& attributes = node.as<QuantizeLinearAttributes>();
  if (attributes.block_size != 0 || !is_byte(attributes.to) ||
      graph.value(node.inputs[0]).type.dtype != DType::f32) {
    return std::nullopt;
  }
  QuantizedValue out;
  out.q = node.outputs[0];
  out.dtype = attributes.to;
  if (!read_parameters(graph, node, out) || !out.is_single()) return std::nullopt;
  return out;
}

QuantizedRange whole_range(DType dtype) {
  return dtype == DType::i8 ? QuantizedRange{-128, 127} : QuantizedRange{0, 255};
}

std::int64_t quantize(double x, const QuantizedValue& to) {
  const QuantizedRange range = whole_range(to.dtype);
  const float ratio = static_cast<float>(x) / to.scale();
  if (std::isnan(ratio)) return to.zero();
  const auto zero = static_cast<float>(to.zero());
  const float clamped = std::clamp(ratio, static_cast<float>(range.low) - zero,
                                   static_cast<float>(range.high) - zero);
  return static_cast<std::int64_t>(std::nearbyint(clamped)) + to.zero();
}

}  // namespace strop

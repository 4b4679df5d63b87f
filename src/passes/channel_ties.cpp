// SPDX-License-Identifier: Apache-2.0
#include "passes/channel_ties.hpp"

#include <algorithm>

#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/conv_integer.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/pool.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"
#include "ops/reshape.hpp"
#include "ops/resize.hpp"
#include "ops/table_lookup.hpp"
#include "ops/unary.hpp"

namespace strop {
namespace {

const Tensor* constant(const Graph& graph, ValueId id) {
  if (!id.exists() || !graph.value(id).is_constant()) return nullptr;
  return &graph.value(id).constant;
}

bool is_constant_or_absent(const Graph& graph, ValueId id) {
  return !id.exists() || graph.value(id).is_constant();
}

bool has_constant_weights(const Graph& graph, const Node& node) {
  const Tensor* weights = constant(graph, node.input(1));
  return weights != nullptr && weights->size() > 0 && is_constant_or_absent(graph, node.input(3)) &&
         is_constant_or_absent(graph, node.input(4));
}

// Axes that are neither batch nor channels.
bool are_spatial(const std::vector<std::int64_t>& axes, std::int64_t rank) {
  return !axes.empty() && std::ranges::all_of(axes, [rank](std::int64_t axis) {
    return normalize_axis(axis, rank) >= 2;
  });
}

// One number, or one per channel.
bool is_factor(const Graph& graph, const Node& requantize, ValueId id, std::int64_t rank) {
  const Tensor* factor = constant(graph, id);
  if (factor == nullptr) return false;
  return factor->size() == 1 ||
         normalize_axis(requantize.as<RequantizeAttributes>().axis, rank) == 1;
}

bool is_defined_for_all_values(BinaryFunction function) {
  return function == BinaryFunction::add || function == BinaryFunction::sub ||
         function == BinaryFunction::mul || function == BinaryFunction::min ||
         function == BinaryFunction::max;
}

// The operands that have the result's channels, and the result; other operands have one channel, or
// are constants.
std::optional<std::vector<ValueId>> tied_operands(const Graph& graph, const Node& node,
                                                  ValueId value) {
  if (!is_defined_for_all_values(node.as<BinaryAttributes>().function)) return std::nullopt;
  const Type& y = graph.value(node.outputs[0]).type;
  if (!y.shape) return std::nullopt;
  std::vector<ValueId> out = {node.outputs[0]};
  for (const ValueId id : node.inputs) {
    const Value& operand = graph.value(id);
    if (!operand.type.shape || bits_of(operand.type.dtype) < 8) return std::nullopt;
    const std::int64_t at = operand.type.rank() - y.rank() + 1;  // of channels
    if (at < 0) continue;
    const Dim& channels = (*operand.type.shape)[static_cast<std::size_t>(at)];
    if (channels.is(1) || operand.is_constant()) continue;
    if (at != 1) return std::nullopt;
    out.push_back(id);
  }
  // A value of another rank than the result has its own axis 1 elsewhere in it.
  if (std::ranges::find(out, value) == out.end()) return std::nullopt;
  return out;
}

bool keeps_channels(const Graph& graph, const Node& resize, std::int64_t rank) {
  const auto& attributes = resize.as<ResizeAttributes>();
  if (attributes.mode != ResizeMode::nearest ||
      attributes.coordinates == ResizeCoordinates::tf_crop_and_resize)
    return false;
  if (!attributes.axes.empty()) return are_spatial(attributes.axes, rank);
  const Tensor* scales = constant(graph, resize.input(2));
  return !resize.input(3).exists() && scales != nullptr && scales->size() == rank &&
         scales->values<float>()[1] == 1.0f;
}

// [N, C, 1, 1] to [N, C].
bool is_flattening(const Type& x, const Type& y) {
  return x.shape && y.shape && x.rank() >= 2 && y.rank() == 2 && (*x.shape)[1] == (*y.shape)[1] &&
         std::all_of(x.shape->begin() + 2, x.shape->end(), [](const Dim& d) { return d.is(1); });
}

// Whether each channel of the result is made of the same channel of the first input alone.
bool works_by_channel(const Graph& graph, const Node& node) {
  const Type& x = graph.value(node.inputs[0]).type;
  if (!x.shape) return false;
  if (node.is(op_unary()) || node.is(op_cast())) return true;
  if (node.is(op_table_lookup())) return constant(graph, node.inputs[1]) != nullptr;
  if (node.is(op_clip()))
    return is_constant_or_absent(graph, node.input(1)) &&
           is_constant_or_absent(graph, node.input(2));
  if (node.is(op_pool())) return node.outputs.size() == 1;
  if (node.is(op_resize())) return keeps_channels(graph, node, x.rank());
  if (node.is(op_reshape())) return is_flattening(x, graph.value(node.outputs[0]).type);
  if (node.is(op_reduce())) {
    const Tensor* axes = constant(graph, node.input(1));
    return axes != nullptr && are_spatial(axes->to_i64(), x.rank());
  }
  return false;
}

}  // namespace

bool is_dense_conv_integer(const Graph& graph, const Node& node) {
  return node.is(op_conv_integer()) && node.as<ConvAttributes>().group == 1 &&
         has_constant_weights(graph, node);
}

bool is_depthwise_conv_integer(const Graph& graph, const Node& node) {
  if (!node.is(op_conv_integer()) || !has_constant_weights(graph, node)) return false;
  const Tensor& weights = graph.value(node.inputs[1]).constant;
  const std::int64_t group = node.as<ConvAttributes>().group;
  return group > 1 && weights.dim(0) == group && weights.dim(1) == 1;
}

bool is_product_of_rows(const Graph& graph, const Node& node) {
  if (!node.is(op_matmul_integer()) || !has_constant_weights(graph, node)) return false;
  const Type& rows = graph.value(node.inputs[0]).type;
  return rows.shape && rows.rank() == 2 && graph.value(node.inputs[1]).constant.rank() == 2;
}

std::optional<std::vector<ValueId>> tied_channels(const Graph& graph, const Node& node,
                                                  ValueId value) {
  if (is_dense_conv_integer(graph, node)) return std::vector<ValueId>{};
  if (is_product_of_rows(graph, node)) {
    if (node.inputs[0] != value) return std::nullopt;
    return std::vector<ValueId>{};
  }
  if (is_depthwise_conv_integer(graph, node))
    return std::vector<ValueId>{node.inputs[0], node.outputs[0]};
  if (node.is(op_binary())) return tied_operands(graph, node, value);
  if (node.is(op_requantize())) {
    const std::int64_t rank = graph.value(value).type.rank();  // of all of them
    if (!is_factor(graph, node, node.inputs[1], rank) ||
        !is_factor(graph, node, node.inputs[2], rank))
      return std::nullopt;
    std::vector<ValueId> out = {node.inputs[0], node.outputs[0]};
    if (node.input(3).exists()) out.push_back(node.inputs[3]);
    return out;
  }
  if (node.outputs.empty() || node.inputs.empty() || !node.inputs[0].exists() ||
      !works_by_channel(graph, node))
    return std::nullopt;
  return std::vector<ValueId>{node.inputs[0], node.outputs[0]};
}

}  // namespace strop

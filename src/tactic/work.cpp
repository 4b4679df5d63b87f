// SPDX-License-Identifier: Apache-2.0
#include "tactic/work.hpp"

#include <optional>

#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/fused.hpp"
#include "ops/gemm.hpp"
#include "ops/gru.hpp"
#include "ops/lstm.hpp"
#include "ops/matmul.hpp"
#include "ops/rnn.hpp"

namespace strop {
namespace {

std::optional<double> size_of(const Type& type, const SymbolValues& sample) {
  if (!type.shape) return std::nullopt;
  double size = 1;
  for (const Dim& dim : *type.shape) {
    const auto value = dim.try_evaluate(sample);
    if (!value) return std::nullopt;
    size *= static_cast<double>(*value);
  }
  return size;
}

std::optional<double> last_dim(const Type& type, std::size_t from_end, const SymbolValues& sample) {
  if (!type.shape || type.shape->size() < from_end) return std::nullopt;
  const auto value = (*type.shape)[type.shape->size() - from_end].try_evaluate(sample);
  return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
}

double multiply_adds_of(const Graph& graph, const Node& node, const SymbolValues& sample) {
  const auto type = [&](std::size_t i) -> const Type& { return graph.value(node.inputs[i]).type; };
  const auto output = size_of(graph.value(node.outputs[0]).type, sample);
  if (node.is(op_conv()) && type(1).shape && !type(1).shape->empty()) {
    const auto weights = size_of(type(1), sample);
    const auto channels = (*type(1).shape)[0].try_evaluate(sample);
    if (output && weights && channels && *channels > 0)
      return *output * *weights / static_cast<double>(*channels);
  } else if (node.is(op_conv_transpose()) && type(1).shape && !type(1).shape->empty()) {
    const auto weights = size_of(type(1), sample);
    const auto channels = (*type(1).shape)[0].try_evaluate(sample);
    const auto input = size_of(type(0), sample);
    if (input && weights && channels && *channels > 0)
      return *input * *weights / static_cast<double>(*channels);
  } else if (node.is(op_matmul()) || node.is(op_gemm())) {
    const bool transposed = node.is(op_gemm()) && node.as<GemmAttributes>().trans_a;
    const auto depth = last_dim(type(0), transposed ? 2 : 1, sample);
    if (output && depth) return *output * *depth;
  } else if (node.is(op_lstm()) || node.is(op_gru()) || node.is(op_rnn())) {
    // Each row of the batch meets all weights at each step.
    const auto input = size_of(type(0), sample), width = last_dim(type(0), 1, sample);
    const auto w = size_of(type(1), sample), r = size_of(type(2), sample);
    if (input && width && *width > 0 && w && r) return *input / *width * (*w + *r);
  }
  return 0;
}

}  // namespace

double bytes_of(const Type& type, const SymbolValues& sample) {
  if (!type.is_tensor() || !type.shape) return 1;
  double bits = std::max(bits_of(type.dtype), 1);
  for (const Dim& dim : *type.shape)
    bits *= static_cast<double>(dim.try_evaluate(sample).value_or(1));
  return bits / 8;
}

Work work_of(const Graph& graph, const Node& node, const SymbolValues& sample) {
  Work work;
  if (node.is(op_fused())) {
    // Sizes of a body are those of the node's own inputs, whose symbols it shares.
    const Graph& body = *node.subgraphs.at(0);
    for (const NodeId id : body.order())
      work.multiply_adds += multiply_adds_of(body, body.node(id), sample);
  } else {
    work.multiply_adds = multiply_adds_of(graph, node, sample);
  }
  const auto add = [&](ValueId id) {
    if (id.exists()) work.bytes += bytes_of(graph.value(id).type, sample);
  };
  for (const ValueId id : node.inputs) add(id);
  for (const ValueId id : node.outputs) add(id);
  return work;
}

}  // namespace strop

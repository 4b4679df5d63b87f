// SPDX-License-Identifier: Apache-2.0
#include "lower/host_integers.hpp"

#include <algorithm>
#include <vector>

#include "ops/dims.hpp"
#include "ops/fused.hpp"
#include "ops/shape.hpp"
#include "ops/size.hpp"

namespace strop {
namespace {

bool is_small_integers(const Graph& graph, const Node& node) {
  constexpr std::int64_t kSmall = 1024;
  const auto small = [&](ValueId id) {
    if (!id.exists()) return true;
    const Type& type = graph.value(id).type;
    if (!type.is_tensor() || !type.shape || is_floating(type.dtype)) return false;
    const auto shape = to_concrete(*type.shape);
    return shape && element_count(*shape) <= kSmall;
  };
  return std::ranges::all_of(node.inputs, small) && std::ranges::all_of(node.outputs, small);
}

bool reads_shapes(const Node& node) {
  return node.is(op_dims()) || node.is(op_shape()) || node.is(op_size());
}

// Whether the host reads input i of the node, wherever the node runs.
bool is_read_by_host(const Node& node, std::size_t i) {
  const bool nests = !node.subgraphs.empty() && !node.is(op_fused());
  return nests || (i < 32 && (node.op->traits.parameter_inputs >> i & 1u) != 0);
}

}  // namespace

std::set<NodeId> host_integers(const Graph& graph, bool is_nested) {
  std::vector<bool> of_shapes(graph.value_count(), false), read(graph.value_count(), false);
  const std::vector<NodeId>& order = graph.order();
  for (const NodeId id : order) {
    const Node& node = graph.node(id);
    const auto known = [&](ValueId v) {
      return !v.exists() || graph.value(v).is_constant() || of_shapes[v.index];
    };
    const bool all = reads_shapes(node) ||
                     (is_small_integers(graph, node) && std::ranges::all_of(node.inputs, known));
    for (const ValueId output : node.outputs) of_shapes[output.index] = all;
  }
  if (is_nested) {
    for (const ValueId output : graph.outputs()) read[output.index] = true;
  }
  std::set<NodeId> out;
  for (auto id = order.rbegin(); id != order.rend(); ++id) {
    const Node& node = graph.node(*id);
    const auto is_read = [&](ValueId v) { return v.exists() && read[v.index]; };
    const auto is_of_shapes = [&](ValueId v) { return v.exists() && of_shapes[v.index]; };
    const bool on_host = reads_shapes(node) || (is_small_integers(graph, node) &&
                                                (std::ranges::any_of(node.outputs, is_read) ||
                                                 std::ranges::any_of(node.outputs, is_of_shapes)));
    if (on_host) out.insert(*id);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const bool reads = on_host ? !reads_shapes(node) : is_read_by_host(node, i);
      if (node.inputs[i].exists() && reads) read[node.inputs[i].index] = true;
    }
  }
  return out;
}

}  // namespace strop

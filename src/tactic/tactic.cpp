// SPDX-License-Identifier: Apache-2.0
#include "tactic/tactic.hpp"

#include "ops/cast.hpp"
#include "ops/fused.hpp"

namespace strop {
namespace {

// A nested graph in a key: operators, attributes and wiring, not names.
void append_graph(const Graph& graph, std::string& out) {
  std::vector<std::size_t> number(graph.value_count(), 0);
  std::size_t next = 1;
  for (ValueId id : graph.inputs()) number[id.index] = next++;
  out += "{";
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    out += std::string(node.op->name) + node.attributes.to_string() + "(";
    for (ValueId input : node.inputs) {
      if (!input.exists()) {
        out += "_,";
      } else if (graph.value(input).is_constant()) {
        const Tensor& constant = graph.value(input).constant;
        out += "const " + describe(constant);
        // A scalar's value may decide (a clip bound, an exponent); a weight's contents do not.
        if (constant.size() == 1 && constant.bytes() > 0) {
          for (std::int64_t i = 0; i < constant.bytes(); ++i) {
            out += ":" + std::to_string(static_cast<int>(constant.data()[i]));
          }
        }
        out += ",";
      } else {
        out += std::to_string(number[input.index]) + ",";
      }
    }
    out += ")";
    for (ValueId output : node.outputs) number[output.index] = next++;
    for (const auto& nested : node.subgraphs) append_graph(*nested, out);
    out += ";";
  }
  out += "}";
}

}  // namespace

const OpDef& Problem::leading_op() const {
  if (!is(op_fused()) || attributes<FusedAttributes>().moves) return op();
  const Graph& body = *node->subgraphs.at(0);
  for (const NodeId id : body.order()) {
    if (!body.node(id).is(op_cast())) return *body.node(id).op;
  }
  return *body.node(body.order().at(0)).op;
}

std::string Problem::key() const {
  std::string out = std::string(op().name) + node->attributes.to_string();
  for (std::size_t i = 0; i < node->inputs.size(); ++i) {
    out += i == 0 ? " (" : ", ";
    if (!has_input(i)) {
      out += "_";
      continue;
    }
    if (constant(i) != nullptr) out += "const ";
    out += input_type(i).to_string();
  }
  out += ") -> (";
  for (std::size_t i = 0; i < node->outputs.size(); ++i) {
    if (i > 0) out += ", ";
    out += output_type(i).to_string();
  }
  out += ")";
  for (const auto& nested : node->subgraphs) append_graph(*nested, out);
  if (precise) out += " precise";
  if (device != nullptr) out += " sm_" + std::to_string(device->compute_capability);
  return out;
}

}  // namespace strop

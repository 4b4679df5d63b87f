// SPDX-License-Identifier: Apache-2.0
// Two nodes that compute the same thing (operator, attributes, inputs) become one. Constants of
// equal contents count as the same input while they are small. Random operators and operators with
// nested graphs stay as they are, and so does a node whose output and whose twin's are both outputs
// of the graph.
#include "passes/passes.hpp"

#include <algorithm>
#include <unordered_map>

#include "ir/text_scanner.hpp"
#include "ops/binary.hpp"

namespace strop {
namespace {

constexpr std::int64_t kSmallConstant = 1024;  // elements; larger ones are compared by their memory

class Merger {
 public:
  Merger(Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), is_output_(graph.value_count(), false) {
    for (const ValueId id : graph.outputs()) is_output_[id.index] = true;
  }

  int run() {
    const std::vector<NodeId> order = graph_.order();
    std::unordered_map<std::string, NodeId> first;
    int merged = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      if (node.op->traits.nondeterministic || !node.subgraphs.empty() || node.outputs.empty())
        continue;
      const auto [twin, is_new] = first.try_emplace(key(node), id);
      if (is_new || both_are_outputs(node, graph_.node(twin->second))) continue;
      merge(node, graph_.node(twin->second));
      ++merged;
    }
    return merged;
  }

 private:
  std::string key(const Node& node) {
    std::vector<std::string> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(key(input));
    const bool commutes =
        node.op->traits.commutative ||
        (node.is(op_binary()) && is_commutative(node.as<BinaryAttributes>().function));
    if (commutes && inputs.size() >= 2 && inputs[1] < inputs[0]) std::swap(inputs[0], inputs[1]);
    std::string out = std::string(node.op->name) + "/" + std::to_string(node.outputs.size()) +
                      node.attributes.to_string();
    for (const std::string& input : inputs) out += "," + input;
    return out;
  }

  // "%12", or the same text for constants of the same contents.
  std::string key(ValueId id) {
    if (!id.exists()) return "_";
    const Value& value = graph_.value(id);
    std::string own = "%" + std::to_string(id.index);
    if (!value.is_constant()) return own;
    if (const auto known = constants_.find(id.index); known != constants_.end())
      return known->second;
    const Tensor& tensor = value.constant;
    std::string contents = describe(tensor);
    if (tensor.size() <= kSmallConstant) {
      contents = tensor_to_text(tensor);
    } else if (tensor.dtype() != DType::string) {
      contents += "@" + std::to_string(reinterpret_cast<std::uintptr_t>(tensor.data()));
    } else {
      contents += own;
    }
    return constants_[id.index] = contents_.try_emplace(contents, own).first->second;
  }

  bool both_are_outputs(const Node& node, const Node& twin) const {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (is_output_[node.outputs[i].index] && is_output_[twin.outputs[i].index]) return true;
    }
    return false;
  }

  void merge(const Node& node, const Node& twin) {
    const std::vector<ValueId> from = node.outputs;
    const std::vector<ValueId> to = twin.outputs;
    Patch patch(graph_, "merge " + label_of(node) + " into " + label_of(twin));
    for (std::size_t i = 0; i < from.size(); ++i) {
      patch.replace(from[i], to[i]);
      if (is_output_[from[i].index]) is_output_[to[i].index] = true;
    }
    context_.apply(patch, graph_);
  }

  Graph& graph_;
  const PassContext& context_;
  std::vector<bool> is_output_;
  std::unordered_map<std::uint32_t, std::string> constants_;  // value → its key
  std::unordered_map<std::string, std::string> contents_;     // contents → key
};

int run(Graph& graph, const PassContext& context) { return Merger(graph, context).run(); }

}  // namespace

Pass eliminate_common_subexpressions() {
  return {
      .name = "eliminate_common_subexpressions",
      .summary = "computes once what several nodes compute alike",
      .run = run,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Integer operators that make a quantised tensor of one other element by element, however many
// there are between (a product with a function of itself, tables in a row), become one table: their
// own results for all 256 bytes, so that no byte of the model's changes.
#include <map>
#include <numeric>
#include <optional>

#include "ir/evaluate.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/requantize.hpp"
#include "ops/table_lookup.hpp"
#include "passes/passes.hpp"
#include "passes/quantized_value.hpp"

namespace strop {
namespace {

class TableFuser {
 public:
  TableFuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      if (!node.is(op_requantize()) && !node.is(op_table_lookup())) continue;
      const auto root = root_of(node.outputs[0]);
      if (!root || *root == node.outputs[0]) continue;
      if (node.is(op_table_lookup()) && *root == node.inputs[0]) continue;  // is one already
      fuse(node, *root);
      ++fused;
    }
    return fused;
  }

 private:
  const Tensor* constant(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.is_constant() ? &value.constant : nullptr;
  }

  // Whether the node computes integers element by element, from operands of one shape and single
  // constants.
  bool is_link(const Node& node) const {
    const auto singles_from = [&](std::size_t first) {
      for (std::size_t i = first; i < node.inputs.size(); ++i) {
        const Tensor* factor = node.inputs[i].exists() ? constant(node.inputs[i]) : nullptr;
        if (factor == nullptr || factor->size() != 1) return false;
      }
      return true;
    };
    const DType dtype = graph_.value(node.outputs[0]).type.dtype;
    if (node.is(op_table_lookup())) return constant(node.inputs[1]) != nullptr;
    if (node.is(op_requantize())) {
      return node.input(3).exists()
                 ? constant(node.inputs[1]) != nullptr && constant(node.inputs[1])->size() == 1 &&
                       constant(node.inputs[2]) != nullptr && constant(node.inputs[2])->size() == 1
                 : singles_from(1);
    }
    if (node.is(op_cast())) return dtype == DType::i32;
    if (!node.is(op_binary()) || dtype != DType::i32) return false;
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    return function == BinaryFunction::add || function == BinaryFunction::sub ||
           function == BinaryFunction::mul;
  }

  // Operands that are no parameters.
  static std::size_t operand_count(const Node& node) { return node.is(op_binary()) ? 2 : 1; }

  // The tensor of bytes that a value is a function of; nothing for int32 that is none.
  std::optional<ValueId> root_of(ValueId id, int depth = 0) {
    const auto known = roots_.find(id.index);
    if (known != roots_.end()) return known->second;
    std::optional<ValueId> root = depth < kDeepest ? root_of_inputs(id, depth) : std::nullopt;
    if (!root && is_byte(graph_.value(id).type.dtype) && !graph_.value(id).is_constant()) root = id;
    return roots_[id.index] = root;
  }

  std::optional<ValueId> root_of_inputs(ValueId id, int depth) {
    const Node* node = graph_.producer(id);
    if (node == nullptr || !is_link(*node)) return std::nullopt;
    std::vector<ValueId> operands(
        node->inputs.begin(),
        node->inputs.begin() + static_cast<std::ptrdiff_t>(operand_count(*node)));
    if (node->is(op_requantize()) && node->input(3).exists()) operands.push_back(node->inputs[3]);
    std::optional<ValueId> root;
    for (const ValueId operand : operands) {
      const Tensor* number = constant(operand);
      if (number != nullptr && number->size() == 1) continue;
      const auto of_operand = root_of(operand, depth + 1);
      if (!of_operand || (root && *root != *of_operand)) return std::nullopt;
      root = of_operand;
    }
    // Nothing is broadcast but single numbers.
    if (!root || !graph_.value(id).type.shape ||
        graph_.value(*root).type.shape != graph_.value(id).type.shape) {
      return std::nullopt;
    }
    return root;
  }

  // The value when the root holds every byte in order. Values that were computed before are in
  // `known`.
  Tensor table_of(ValueId id, ValueId root, std::map<std::uint32_t, Tensor>& known) {
    const auto at = known.find(id.index);
    if (at != known.end()) return at->second;
    const Value& value = graph_.value(id);
    if (id == root) {
      Tensor all = Tensor::allocate(value.type.dtype, {256});
      for (int i = 0; i < 256; ++i) all.mutable_data()[i] = static_cast<std::byte>(i);
      return all;
    }
    if (value.is_constant()) return value.constant;
    const Node& node = *graph_.producer(id);
    std::vector<Datum> inputs(node.inputs.size());
    std::vector<const Datum*> arguments(node.inputs.size(), nullptr);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].exists()) continue;
      inputs[i] = table_of(node.inputs[i], root, known);
      arguments[i] = &inputs[i];
    }
    std::vector<Datum> outputs;
    evaluate_op(*node.op, node.attributes, arguments, {}, 1, outputs);
    return known[id.index] = outputs[0].tensor();
  }

  void fuse(const Node& node, ValueId root) {
    Patch patch(graph_, "make one table of what leads to " + label_of(node));
    patch.descend_from(node);
    std::map<std::uint32_t, Tensor> known;
    const ValueId table = patch.constant(table_of(node.outputs[0], root, known));
    patch.replace(node.outputs[0], patch.emit(op_table_lookup(), NoAttributes{}, {root, table}));
    context_.apply(patch, graph_);
    roots_.clear();  // values were replaced
  }

  static constexpr int kDeepest = 32;  // nodes in a row

  Graph& graph_;
  const PassContext& context_;
  std::map<std::uint32_t, std::optional<ValueId>> roots_;
};

int run(Graph& graph, const PassContext& context) { return TableFuser(graph, context).run(); }

}  // namespace

Pass fuse_byte_tables() {
  return {
      .name = "fuse_byte_tables",
      .summary = "turns integer operators that are a function of one byte into a table",
      .run = run,
  };
}

}  // namespace strop

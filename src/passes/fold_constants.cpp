// SPDX-License-Identifier: Apache-2.0
// Nodes whose inputs are all constants become constants, computed by their reference kernels.
//
// What it may cost. A result of up to 64 KiB, or up to twice the bytes of its inputs, is always
// kept. A larger one (a model may fill gigabytes from one number) is kept only where it serves as
// weights, because kernels pack weights ahead of time; elsewhere the node stays and computes it at
// run time. All results alive at one time, intermediate ones too, take at most Target::fold_bytes;
// what would pass that stays a node, with a note. A result shares the memory of its input where the
// operator is a view.
//
// Left alone: random operators, operators with nested graphs, boxed values other than strings, sums
// so long that folding them would take minutes, and nodes whose kernel refuses its inputs (they
// fail in the same way when they run). fold_quantized_constants also leaves dequantize_linear
// alone, for passes that want the integers.
#include "passes/passes.hpp"

#include <algorithm>

#include "ir/evaluate.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"

namespace strop {
namespace {

constexpr std::int64_t kSmallBytes = 64 * 1024;
constexpr double kLongestSum = 0x1p36;  // output elements times input elements

bool is_weights(const Use& use, const Graph& graph) {
  const Node& user = graph.node(use.node);
  if (user.is(op_matmul()) || user.is(op_gemm())) return true;
  return use.input >= 1 && (user.is(op_conv()) || user.is(op_conv_transpose()));
}

// Bytes of a value by its type; nothing unless it is a tensor of known shape.
std::optional<std::int64_t> bytes_of(const Type& type) {
  if (!type.is_static()) return std::nullopt;
  const Shape shape = *to_concrete(*type.shape);
  return type.dtype == DType::string ? element_count(shape) * 32 : byte_size(type.dtype, shape);
}

std::int64_t bytes_of(const Tensor& tensor) {
  return tensor.dtype() == DType::string ? tensor.size() * 32 : tensor.bytes();
}

class Folder {
 public:
  Folder(Graph& graph, const PassContext& context, bool dequantize)
      : graph_(graph),
        context_(context),
        dequantize_(dequantize),
        order_(graph.order()),
        results_(graph.value_count()),
        users_left_(graph.value_count()),
        becomes_weights_(graph.value_count(), false),
        foldable_(graph.node_slots(), false) {
    for (std::uint32_t i = 0; i < graph.value_count(); ++i)
      users_left_[i] = graph.value(ValueId{i}).uses.size();
    for (const ValueId id : graph.outputs()) ++users_left_[id.index];
  }

  int run() {
    find_foldable();
    find_weights();
    for (const NodeId id : order_) {
      if (foldable_[id.index]) fold(graph_.node(id));
    }
    return replace_results();
  }

 private:
  const Tensor* constant(ValueId id) const {
    const Value& value = graph_.value(id);
    if (value.is_constant()) return &value.constant;
    return results_[id.index].defined() ? &results_[id.index] : nullptr;
  }

  // By operator and by where the inputs come from; sizes are looked at when it is their turn.
  void find_foldable() {
    for (const NodeId id : order_) {
      const Node& node = graph_.node(id);
      if (node.op->traits.nondeterministic || !node.subgraphs.empty() ||
          node.attributes.has_symbols() || (!dequantize_ && node.is(op_dequantize_linear()))) {
        continue;
      }
      const bool tensors = std::ranges::all_of(
          node.outputs, [&](ValueId v) { return graph_.value(v).type.is_tensor(); });
      foldable_[id.index] = tensors && std::ranges::all_of(node.inputs, [&](ValueId v) {
                              if (!v.exists()) return true;
                              const Value& value = graph_.value(v);
                              return value.is_constant() ||
                                     (value.producer.exists() && foldable_[value.producer.index]);
                            });
    }
  }

  // Values that reach an operand of a product through nodes that fold.
  void find_weights() {
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      for (const ValueId output : graph_.node(*it).outputs) {
        becomes_weights_[output.index] =
            std::ranges::any_of(graph_.value(output).uses, [&](const Use& use) {
              if (!foldable_[use.node.index]) return is_weights(use, graph_);
              return std::ranges::any_of(graph_.node(use.node).outputs,
                                         [&](ValueId v) { return becomes_weights_[v.index]; });
            });
      }
    }
  }

  // Whether the results may be held, and how large a tensor may become whose size is not known
  // ahead.
  bool affordable(const Node& node, std::int64_t& largest) const {
    std::int64_t in_bytes = 0;
    double in_elements = 0;
    for (const ValueId input : node.inputs) {
      if (!input.exists()) continue;
      in_bytes += bytes_of(*constant(input));
      in_elements += static_cast<double>(constant(input)->size());
    }
    const std::int64_t modest = std::max(kSmallBytes, 2 * in_bytes);
    std::int64_t left = context_.target.fold_bytes - held_;
    largest = std::min(left, modest);
    const bool one_pass = node.op->traits.pointwise || node.op->traits.moves_only;
    for (const ValueId output : node.outputs) {
      const Type& type = graph_.value(output).type;
      const auto bytes = bytes_of(type);
      if (!bytes) continue;
      const auto elements = static_cast<double>(element_count(*to_concrete(*type.shape)));
      if (!one_pass && elements * in_elements > kLongestSum) return false;
      if (*bytes > modest && !becomes_weights_[output.index]) return false;
      if (!node.op->traits.view) left -= *bytes;
      largest = std::max(largest, *bytes);
    }
    if (left >= 0) return true;
    context_.note("left " + label_of(node) + ": constants made by folding would pass " +
                  std::to_string(context_.target.fold_bytes) + " bytes");
    return false;
  }

  void fold(const Node& node) {
    std::int64_t largest = 0;
    const bool inputs_known = std::ranges::all_of(
        node.inputs, [&](ValueId v) { return !v.exists() || constant(v) != nullptr; });
    if (!inputs_known || !affordable(node, largest)) return;
    const Type& type = graph_.value(node.outputs[0]).type;
    if (node.op->traits.view && type.is_static()) {
      const Shape shape = *to_concrete(*type.shape);
      results_[node.outputs[0].index] = constant(node.inputs[0])->reshaped(shape);
    } else if (!evaluate(node, largest)) {
      return;
    }
    for (const ValueId input : node.inputs) {
      if (!input.exists() || --users_left_[input.index] > 0) continue;
      // An intermediate result that nobody is left to read.
      if (!results_[input.index].defined()) continue;
      if (!graph_.producer(input)->op->traits.view) held_ -= bytes_of(results_[input.index]);
      results_[input.index] = Tensor();
    }
  }

  bool evaluate(const Node& node, std::int64_t largest) {
    std::vector<Datum> inputs(node.inputs.size());
    std::vector<const Datum*> arguments(node.inputs.size(), nullptr);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].exists()) continue;
      inputs[i] = *constant(node.inputs[i]);
      arguments[i] = &inputs[i];
    }
    RunLimits limits;
    limits.tensor_bytes = std::max<std::int64_t>(largest, 1);
    std::vector<Datum> outputs;
    try {
      evaluate_op(*node.op, node.attributes, arguments, {}, node.outputs.size(), outputs, limits);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal || error.code() == ErrorCode::out_of_memory) throw;
      context_.note("left " + label_of(node) + ": " + error.message());
      return false;
    }
    if (!std::ranges::all_of(outputs, [](const Datum& d) { return d.is_tensor(); })) return false;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      results_[node.outputs[i].index] = outputs[i].tensor();
      held_ += bytes_of(outputs[i].tensor());
    }
    return true;
  }

  // What is still held is read by somebody, or was never wanted.
  int replace_results() {
    int folded = 0;
    for (const NodeId id : order_) {
      const std::vector<ValueId> outputs = graph_.node(id).outputs;
      Patch patch(graph_, "fold " + label_of(graph_.node(id)));
      for (const ValueId output : outputs) {
        if (!results_[output.index].defined() || users_left_[output.index] == 0) continue;
        patch.replace(output, patch.constant(std::move(results_[output.index])));
      }
      if (patch.empty()) continue;
      context_.apply(patch, graph_);
      ++folded;
    }
    return folded;
  }

  Graph& graph_;
  const PassContext& context_;
  const bool dequantize_;
  const std::vector<NodeId> order_;
  std::vector<Tensor> results_;          // by value
  std::vector<std::size_t> users_left_;  // by value: uses by nodes not folded so far, and outputs
  std::vector<bool> becomes_weights_;    // by value
  std::vector<bool> foldable_;           // by node
  std::int64_t held_ = 0;                // bytes of results
};

int run(Graph& graph, const PassContext& context) { return Folder(graph, context, true).run(); }

int run_quantized(Graph& graph, const PassContext& context) {
  return Folder(graph, context, false).run();
}

}  // namespace

Pass fold_constants() {
  return {
      .name = "fold_constants",
      .summary = "computes nodes whose inputs are all constants, within a limit on memory",
      .run = run,
  };
}

Pass fold_quantized_constants() {
  return {
      .name = "fold_quantized_constants",
      .summary = "folds constants, but leaves quantised weights what they are",
      .run = run_quantized,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// A convolution or matrix product (the anchor) and the pointwise nodes after it become one `fused`
// node, so that a kernel applies them while an output tile is still in registers. The body holds
// the anchor, then a chain: each node changes one running value, of the anchor's own type and
// shape, and may read other tensors (a bias, a residual) that broadcast to it. Nobody else reads
// the running value on its way. Nothing is computed otherwise than before: the result is the same
// to the bit.
//
// Chains of pointwise nodes that follow no product become fused nodes of their own.
//
// After an exact integer sum (conv_integer, matmul_integer) the steps are its requantisation and a
// table, or its cast to f32 and a chain as above. Where kernels of the target add other bytes to
// those that they made, that second requantisation is a step too, and a mean of bytes becomes one
// node: cast, perhaps the difference with a zero point, sum, requantisation. So does a product of
// two tensors of bytes; what it shares with other nodes, such as the cast of what is both averaged
// and scaled, is then computed in each of them.
//
// The functions are those that kernels commonly offer after a product; a chain is at most eight
// steps long. Whether a kernel takes a fused node is for lowering to find out; what none takes
// becomes its body's nodes again.
#include "passes/passes.hpp"

#include <algorithm>

#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/fused.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"
#include "ops/table_lookup.hpp"
#include "ops/unary.hpp"

namespace strop {
namespace {

constexpr std::size_t kLongestChain = 8;

bool is_anchor(const Node& node) {
  return node.is(op_conv()) || node.is(op_conv_transpose()) || node.is(op_gemm()) ||
         node.is(op_matmul());
}

// Exact integer sums: their requantisation and a table follow in one kernel, or floats.
bool is_integer_anchor(const Node& node) {
  return node.is(op_conv_integer()) || node.is(op_matmul_integer());
}

bool in_epilogues(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::relu:
    case UnaryFunction::leaky_relu:
    case UnaryFunction::elu:
    case UnaryFunction::sigmoid:
    case UnaryFunction::hard_sigmoid:
    case UnaryFunction::hard_swish:
    case UnaryFunction::silu:
    case UnaryFunction::gelu:
    case UnaryFunction::gelu_tanh:
    case UnaryFunction::tanh:
    case UnaryFunction::exp:
    case UnaryFunction::sqrt:
    case UnaryFunction::abs:
      return true;
    default:
      return false;
  }
}

// sub and div only with the running value first: kernels have no reversed form.
bool in_epilogues(BinaryFunction function, bool running_first) {
  switch (function) {
    case BinaryFunction::add:
    case BinaryFunction::mul:
    case BinaryFunction::min:
    case BinaryFunction::max:
      return true;
    case BinaryFunction::sub:
    case BinaryFunction::div:
      return running_first;
    default:
      return false;
  }
}

std::string display_name(const Node& node) {
  if (node.is(op_unary())) {
    const UnaryFunction function = node.as<UnaryAttributes>().function;
    return std::string(enum_names(function)[static_cast<std::size_t>(function)]);
  }
  if (node.is(op_binary())) {
    const BinaryFunction function = node.as<BinaryAttributes>().function;
    return std::string(enum_names(function)[static_cast<std::size_t>(function)]);
  }
  return std::string(node.op->name);
}

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const int products = context_.target.backend == "cuda" ? fuse_products_of_bytes() : 0;
    const std::vector<NodeId> order = graph_.order();
    std::vector<bool> taken(graph_.node_slots(), false);  // by a fused node
    int fused = 0;
    for (const NodeId id : order) {
      const bool integer = is_integer_anchor(graph_.node(id));
      const bool widens = context_.target.backend == "cuda" && is_widened(graph_.node(id));
      if (!integer && !widens && !is_anchor(graph_.node(id))) continue;
      const std::vector<NodeId> nodes = integer  ? behind_integer(id)
                                        : widens ? mean_from(id)
                                                 : chain_from(id);
      if (nodes.size() < 2) continue;
      for (const NodeId node : nodes) taken[node.index] = true;
      fuse(nodes);
      ++fused;
    }
    return products + fused + fuse_chains(order, taken);
  }

 private:
  int fuse_products_of_bytes() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      const std::vector<NodeId> nodes = product_before(id);
      if (nodes.empty()) continue;
      fuse(nodes);
      ++fused;
    }
    if (fused > 0) remove_dead_nodes(graph_);  // whoever shared a cast may now be its only user
    return fused;
  }

  // The nodes of a product of two tensors of bytes, from their casts to its requantisation; none
  // where it is no such node.
  std::vector<NodeId> product_before(NodeId requantize) const {
    const Node& last = graph_.node(requantize);
    if (!last.is(op_requantize()) || last.input(3).exists()) return {};
    const Value& products = graph_.value(last.inputs[0]);
    if (!products.producer.exists() || !graph_.has_single_use(last.inputs[0])) return {};
    const Node& mul = graph_.node(products.producer);
    if (!mul.is(op_binary()) || mul.as<BinaryAttributes>().function != BinaryFunction::mul)
      return {};
    std::vector<NodeId> nodes;
    for (const ValueId operand : mul.inputs) {
      if (!add_centred(operand, nodes)) return {};
    }
    nodes.push_back(products.producer);
    nodes.push_back(requantize);
    return nodes;
  }

  // The cast that `value` is, or what is a constant less than one, where they are not there yet.
  bool add_centred(ValueId value, std::vector<NodeId>& nodes) const {
    const NodeId producer = graph_.value(value).producer;
    if (!producer.exists()) return false;
    const Node& node = graph_.node(producer);
    const bool differs = node.is(op_binary()) &&
                         node.as<BinaryAttributes>().function == BinaryFunction::sub &&
                         graph_.value(node.inputs[1]).is_constant();
    if (differs ? !add_centred(node.inputs[0], nodes) : !is_widened(node)) return false;
    if (std::ranges::find(nodes, producer) == nodes.end()) nodes.push_back(producer);
    return true;
  }

  // Pointwise nodes that follow no product.
  int fuse_chains(const std::vector<NodeId>& order, std::vector<bool>& taken) {
    int fused = 0;
    for (const NodeId id : order) {
      if (taken[id.index] || !begins_chain(graph_.node(id))) continue;
      const std::vector<NodeId> nodes = chain_from(id);
      if (nodes.size() < 2) continue;
      for (const NodeId node : nodes) taken[node.index] = true;
      fuse(nodes);
      ++fused;
    }
    return fused;
  }

  bool begins_chain(const Node& node) const {
    if (node.outputs.size() != 1 || graph_.value(node.outputs[0]).uses.empty() ||
        !is_chained(graph_.value(node.outputs[0]).type.dtype)) {
      return false;
    }
    return std::ranges::any_of(node.inputs, [&](ValueId input) {
      return input.exists() && !graph_.value(input).is_constant() && is_step(node, input);
    });
  }

  // Kernels of the CPU chain f32 alone.
  bool is_chained(DType type) const {
    return type == DType::f32 ||
           (context_.target.backend == "cuda" && (type == DType::f16 || type == DType::bf16));
  }

  std::vector<NodeId> chain_from(NodeId anchor) const {
    std::vector<NodeId> nodes = {anchor};
    ValueId running = graph_.node(anchor).outputs[0];
    if (!graph_.value(running).type.shape) return nodes;
    while (nodes.size() <= kLongestChain && graph_.has_single_use(running)) {
      const NodeId next = graph_.value(running).uses[0].node;
      if (!is_step(graph_.node(next), running)) break;
      nodes.push_back(next);
      running = graph_.node(next).outputs[0];
    }
    return nodes;
  }

  std::vector<NodeId> behind_integer(NodeId anchor) const {
    const ValueId sums = graph_.node(anchor).outputs[0];
    if (!graph_.value(sums).type.shape || !graph_.has_single_use(sums)) return {anchor};
    const NodeId next = graph_.value(sums).uses[0].node;
    const Node& node = graph_.node(next);
    if (node.is(op_cast()) && graph_.value(node.outputs[0]).type.dtype == DType::f32) {
      std::vector<NodeId> nodes = chain_from(next);
      nodes.insert(nodes.begin(), anchor);
      return nodes;
    }
    if (!node.is(op_requantize()) || node.inputs[0] != sums) return {anchor};
    const ValueId bytes = node.outputs[0];
    if (!graph_.has_single_use(bytes)) return {anchor, next};
    const NodeId last = graph_.value(bytes).uses[0].node;
    const Node& lookup = graph_.node(last);
    const bool may_add = context_.target.backend == "cuda" && !node.input(3).exists();
    if (may_add && is_addition(lookup, bytes)) return {anchor, next, last};
    const bool looks_up = lookup.is(op_table_lookup()) && lookup.inputs[0] == bytes &&
                          graph_.value(lookup.inputs[1]).is_constant();
    if (!looks_up) return {anchor, next};
    const ValueId entries = lookup.outputs[0];
    if (!may_add || !graph_.has_single_use(entries)) return {anchor, next, last};
    const NodeId sum = graph_.value(entries).uses[0].node;
    if (!is_addition(graph_.node(sum), entries)) return {anchor, next, last};
    return {anchor, next, last, sum};
  }

  // A cast of bytes to i32.
  bool is_widened(const Node& node) const {
    if (!node.is(op_cast())) return false;
    const DType from = graph_.value(node.inputs[0]).type.dtype;
    return (from == DType::i8 || from == DType::u8) &&
           graph_.value(node.outputs[0]).type.dtype == DType::i32;
  }

  std::vector<NodeId> mean_from(NodeId cast) const {
    std::vector<NodeId> nodes = {cast};
    // The one node that reads the last one's result, first.
    const auto next = [&]() -> const Node* {
      const ValueId running = graph_.node(nodes.back()).outputs[0];
      if (!graph_.has_single_use(running)) return nullptr;
      const Node& node = graph_.node(graph_.value(running).uses[0].node);
      return node.inputs[0] == running ? &node : nullptr;
    };
    const auto take = [&] {
      nodes.push_back(graph_.value(graph_.node(nodes.back()).outputs[0]).uses[0].node);
    };
    const auto is_constant = [&](ValueId id) {
      return id.exists() && graph_.value(id).is_constant();
    };
    const Node* node = next();
    if (node != nullptr && node->is(op_binary()) &&
        node->as<BinaryAttributes>().function == BinaryFunction::sub &&
        is_constant(node->inputs[1])) {
      take();
      node = next();
    }
    if (node == nullptr || !node->is(op_reduce()) || !is_constant(node->input(1)) ||
        node->as<ReduceAttributes>().function != ReduceFunction::sum)
      return {cast};
    take();
    node = next();
    if (node == nullptr || !node->is(op_requantize()) || node->input(3).exists()) return {cast};
    take();
    return nodes;
  }

  // A requantisation of `bytes` and another tensor as large, by one factor each.
  bool is_addition(const Node& node, ValueId bytes) const {
    if (!node.is(op_requantize()) || !node.input(3).exists()) return false;
    const ValueId other = node.inputs[node.inputs[0] == bytes ? 3 : 0];
    const auto is_single = [&](ValueId factor) {
      const Value& value = graph_.value(factor);
      return value.is_constant() && value.constant.size() == 1;
    };
    return other != bytes && !graph_.value(other).is_constant() &&
           graph_.value(other).type.shape == graph_.value(bytes).type.shape &&
           is_single(node.inputs[1]) && is_single(node.inputs[2]);
  }

  bool is_step(const Node& node, ValueId running) const {
    if (node.outputs.size() != 1 || node.inputs.empty() ||
        !(graph_.value(node.outputs[0]).type == graph_.value(running).type)) {
      return false;
    }
    if (node.is(op_unary())) return in_epilogues(node.as<UnaryAttributes>().function);
    if (node.is(op_binary())) {
      const bool first = node.inputs[0] == running;
      const Type& other = graph_.value(node.inputs[first ? 1 : 0]).type;
      return in_epilogues(node.as<BinaryAttributes>().function, first) && other.shape &&
             other.dtype == graph_.value(running).type.dtype;
    }
    // Bounds are part of a kernel's parameters.
    return node.is(op_clip()) && node.inputs[0] == running &&
           std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ValueId bound) {
             return !bound.exists() || graph_.value(bound).is_constant();
           });
  }

  void fuse(const std::vector<NodeId>& nodes) {
    const Node& anchor = graph_.node(nodes[0]);
    const ValueId last = graph_.node(nodes.back()).outputs[0];
    std::string kind;
    for (const NodeId id : nodes) kind += (kind.empty() ? "" : "+") + display_name(graph_.node(id));
    Patch patch(graph_, "fuse " + kind + " at " + label_of(anchor));
    for (const NodeId id : nodes) patch.descend_from(graph_.node(id));
    std::vector<ValueId> inputs;
    Emitter::Options options;
    options.name = anchor.name;
    options.subgraphs.push_back(std::make_shared<const Graph>(body(nodes, inputs)));
    const auto outputs =
        patch.emit(op_fused(), FusedAttributes{kind}, inputs, 1, std::move(options));
    patch.replace(last, outputs[0]);
    context_.apply(patch, graph_);
  }

  // The chain as a graph of its own; `inputs` receives what it reads from outside.
  Graph body(const std::vector<NodeId>& nodes, std::vector<ValueId>& inputs) const {
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "body/");
    // Inputs first, in the order in which the nodes read them.
    std::vector<ValueId> made;
    for (const NodeId id : nodes) made.push_back(graph_.node(id).outputs[0]);
    std::vector<ValueId> inside;
    for (const NodeId id : nodes) {
      for (const ValueId input : graph_.node(id).inputs) {
        if (!input.exists() || std::ranges::find(made, input) != made.end() ||
            std::ranges::find(inputs, input) != inputs.end()) {
          continue;
        }
        inputs.push_back(input);
        inside.push_back(builder.add_input(graph_.value(input).name, graph_.value(input).type));
      }
    }
    std::vector<ValueId> results;
    const auto moved = [&](ValueId id) {
      if (!id.exists()) return id;
      const auto own = std::ranges::find(made, id);
      if (own != made.end()) return results[static_cast<std::size_t>(own - made.begin())];
      return inside[static_cast<std::size_t>(std::ranges::find(inputs, id) - inputs.begin())];
    };
    for (const NodeId id : nodes) {
      const Node& node = graph_.node(id);
      std::vector<ValueId> arguments;
      for (const ValueId input : node.inputs) arguments.push_back(moved(input));
      Emitter::Options options;
      options.name = node.name;
      options.origins = node.origins;
      options.output_names = {graph_.value(node.outputs[0]).name};
      results.push_back(
          builder.emit(*node.op, node.attributes, std::move(arguments), 1, std::move(options))[0]);
    }
    builder.add_output(results.back(), graph_.value(made.back()).name);
    return builder.take();
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) { return Fuser(graph, context).run(); }

}  // namespace

Pass fuse_epilogue() {
  return {
      .name = "fuse_epilogue",
      .summary =
          "joins a convolution or matrix product and the pointwise nodes after it in one node",
      .run = run,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "passes/wide_nodes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "ops/affine_grid.hpp"
#include "ops/attention.hpp"
#include "ops/batch_norm.hpp"
#include "ops/binary.hpp"
#include "ops/bit_cast.hpp"
#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/cumulative.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/det.hpp"
#include "ops/dft.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "ops/einsum.hpp"
#include "ops/gemm.hpp"
#include "ops/grid_sample.hpp"
#include "ops/linear_attention.hpp"
#include "ops/lookup.hpp"
#include "ops/matmul.hpp"
#include "ops/max_roi_pool.hpp"
#include "ops/multinomial.hpp"
#include "ops/probit.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/range.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"
#include "ops/resize.hpp"
#include "ops/roi_align.hpp"
#include "ops/select.hpp"
#include "ops/softmax.hpp"
#include "ops/stft.hpp"
#include "ops/tree_ensemble.hpp"
#include "ops/unary.hpp"
#include "ops/unique.hpp"

namespace strop {
namespace {

bool is_one_of(const Node& node, std::initializer_list<const OpDef*> ops) {
  return std::ranges::any_of(ops, [&](const OpDef* op) { return node.is(*op); });
}

bool is(const Node& node, std::initializer_list<BinaryFunction> functions) {
  return node.is(op_binary()) &&
         std::ranges::find(functions, node.as<BinaryAttributes>().function) != functions.end();
}

bool is(const Node& node, std::initializer_list<UnaryFunction> functions) {
  return node.is(op_unary()) &&
         std::ranges::find(functions, node.as<UnaryAttributes>().function) != functions.end();
}

bool is_wide_integer(DType type) { return is_integer(type) && bits_of(type) > 8; }

bool moves(const Node& node) { return node.op->traits.view || node.op->traits.moves_only; }

// Inputs of a move whose elements it moves: all of a concatenation, else the first.
bool is_moved(const Node& node, std::size_t i) {
  return i == 0 || node.op->inputs[0].arity == Operand::variadic;
}

const Operand& operand_of(const OpDef& op, std::size_t i) {
  return op.inputs[std::min(i, op.inputs.size() - 1)];
}

// What a constant holds.
struct Extent {
  double low = 0, high = 0;  // of finite elements
  double largest = 0;        // magnitude
  double smallest = 0;       // magnitude of an element other than 0
};

Extent extent_of(const Tensor& tensor) {
  Extent out{.smallest = std::numeric_limits<double>::infinity()};
  float low = 0, high = 0, smallest = std::numeric_limits<float>::infinity();
  for (const float v : tensor.values<float>()) {
    if (!std::isfinite(v)) continue;
    low = std::min(low, v);
    high = std::max(high, v);
    if (v != 0) smallest = std::min(smallest, std::abs(v));
  }
  out.low = static_cast<double>(low);
  out.high = static_cast<double>(high);
  out.smallest = static_cast<double>(smallest);
  out.largest = std::max(-out.low, out.high);
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

// A graph as it is, with the reasons found so far.
class Finder {
 public:
  Finder(const Graph& graph, DType half, const ValueRanges& ranges)
      : graph_(graph), half_(half), limits_(limits_of(half)), ranges_(ranges) {}

  WideNodes run() {
    find_masks();
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!is_narrowable(graph_, node)) continue;
      if (std::string why = by_operator(node); !why.empty()) keep(id, std::move(why));
    }
    find_integers();
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!is_narrowable(graph_, node)) continue;
      if (const std::string why = by_constants(node); !why.empty()) {
        keep(id, why);
        if (guards_zero(node)) keep_around(id);
      }
    }
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!is_narrowable(graph_, node)) continue;
      if (std::string why = by_ranges(node); !why.empty()) keep(id, std::move(why));
    }
    return std::move(out_);
  }

 private:
  const Value& value(ValueId id) const { return graph_.value(id); }

  bool is_f32(ValueId id) const {
    return id.exists() && value(id).type.is_tensor() && value(id).type.dtype == DType::f32;
  }

  // The first reason stays.
  bool keep(NodeId id, std::string why) {
    return is_narrowable(graph_, graph_.node(id)) && out_.why.emplace(id, std::move(why)).second;
  }

  void find_masks() {
    out_.is_mask.assign(graph_.value_count(), false);
    const std::vector<NodeId>& order = graph_.order();
    for (auto id = order.rbegin(); id != order.rend(); ++id) {
      for (const ValueId output : graph_.node(*id).outputs)
        out_.is_mask[output.index] = becomes_mask(output);
    }
    for (const ValueId input : graph_.inputs()) out_.is_mask[input.index] = becomes_mask(input);
  }

  bool becomes_mask(ValueId id) const {
    if (!is_f32(id) || value(id).uses.empty() || graph_.is_output(id)) return false;
    const Node* producer = graph_.producer(id);
    if (producer != nullptr && !producer->op->traits.pointwise && !moves(*producer)) return false;
    return std::ranges::all_of(value(id).uses, [&](const Use& use) {
      const Node& node = graph_.node(use.node);
      if (node.is(op_softmax())) return true;
      if (node.is(op_attention())) return use.input == 3;
      const bool passes = is(node, {BinaryFunction::add}) || node.is(op_select()) ||
                          (moves(node) && is_moved(node, use.input));
      return passes && std::ranges::all_of(node.outputs, [&](ValueId output) {
               return out_.is_mask[output.index];
             });
    });
  }

  std::string by_operator(const Node& node) const {
    if (!node.subgraphs.empty()) return "it has a graph of its own";
    const auto boxed = [&](ValueId id) { return id.exists() && value(id).type.is_boxed(); };
    if (std::ranges::any_of(node.inputs, boxed) || std::ranges::any_of(node.outputs, boxed))
      return "it handles sequences, optionals or maps";
    if (is_one_of(node, {&op_quantize_linear(), &op_dequantize_linear(),
                         &op_dynamic_quantize_linear(), &op_requantize()})) {
      return "it quantises";
    }
    if (is_one_of(node, {&op_affine_grid(), &op_roi_align(), &op_max_roi_pool()}))
      return "it computes with positions";
    if (is_one_of(node, {&op_bit_cast(), &op_det(), &op_dft(), &op_stft(), &op_lookup(),
                         &op_multinomial(), &op_probit(), &op_tree_ensemble(), &op_unique()})) {
      return "its operator depends on the last bits of a number";
    }
    if (!takes_half(node)) return "its operator does not take " + std::string(to_string(half_));
    return {};
  }

  // Whether inference accepts the node with its f32 inputs in the half type.
  bool takes_half(const Node& node) const {
    std::vector<Value> narrowed(node.inputs.size());
    Node copy;
    copy.op = node.op;
    copy.attributes = node.attributes;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i].exists()) {
        copy.inputs.push_back(ValueId::none());
        continue;
      }
      copy.inputs.push_back(ValueId{static_cast<std::uint32_t>(i)});
      const Value& given = value(node.inputs[i]);
      narrowed[i].type = given.type;
      narrowed[i].elements = given.elements;
      if (may_narrow(graph_, node, i)) {
        if (!operand_of(*node.op, i).types.contains(half_)) return false;
        narrowed[i].type.dtype = half_;
      } else {
        narrowed[i].constant = given.constant;
      }
    }
    std::vector<InferOutput> outputs;
    std::vector<ShapeConstraint> constraints;
    try {
      infer_node(
          copy, [&](ValueId id) -> const Value& { return narrowed[id.index]; }, "half",
          node.outputs.size(), outputs, constraints);
    } catch (const Error&) {
      return false;
    }
    return true;
  }

  // Numbers that were integers, or will be: f16 holds them up to 2048 only.
  void find_integers() {
    std::vector<bool> exact(graph_.value_count(), false);
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (node.outputs.empty() || !is_f32(node.outputs[0])) continue;
      const bool made = node.is(op_range()) ||
                        (node.is(op_cast()) && is_wide_integer(value(node.inputs[0]).type.dtype)) ||
                        (passes_integers(node) && all_exact(node, exact));
      if (!made) continue;
      for (const ValueId output : node.outputs) exact[output.index] = true;
      keep(id, "it computes with integers");
    }
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (node.is(op_cast()) && is_f32(node.inputs[0]) &&
          is_wide_integer(node.as<CastAttributes>().to)) {
        keep_before(id);
      }
    }
  }

  static bool passes_integers(const Node& node) {
    return node.op->traits.pointwise || moves(node) || node.is(op_reduce()) ||
           node.is(op_cumulative());
  }

  bool all_exact(const Node& node, const std::vector<bool>& exact) const {
    bool any = false;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!may_narrow(graph_, node, i) || value(node.inputs[i]).is_constant()) continue;
      if (!exact[node.inputs[i].index]) return false;
      any = true;
    }
    return any;
  }

  // The node and the pointwise nodes and moves that lead to it.
  void keep_before(NodeId last) {
    std::vector<NodeId> open = {last};
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (!keep(id, "its result becomes an integer")) continue;
      const Node& node = graph_.node(id);
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (!may_narrow(graph_, node, i) || !value(node.inputs[i]).producer.exists()) continue;
        const NodeId before = value(node.inputs[i]).producer;
        const Node& producer = graph_.node(before);
        if (producer.op->traits.pointwise || moves(producer)) open.push_back(before);
      }
    }
  }

  const Extent& extent(ValueId id) {
    const auto [at, fresh] = extents_.try_emplace(id);
    if (fresh) at->second = extent_of(value(id).constant);
    return at->second;
  }

  std::string by_constants(const Node& node) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!may_narrow(graph_, node, i) || !value(node.inputs[i]).is_constant()) continue;
      const Extent& has = extent(node.inputs[i]);
      const std::string name = "the constant " + value(node.inputs[i]).name;
      if (has.largest > limits_.largest && !may_saturate(node, i, has))
        return name + " reaches " + number(has.largest);
      const double least = is_product(node) ? limits_.tiniest / 4 : limits_.tiniest;
      if (has.largest > 0 && has.largest < least && would_vanish(node, i))
        return name + " is as small as " + number(has.largest);
      if (is(node, {BinaryFunction::div}) && i == 1 && has.smallest < limits_.tiniest)
        return "it divides by " + number(has.smallest);
    }
    return {};
  }

  // A bound that is out of reach bounds nothing; and what hides a score hides it.
  bool may_saturate(const Node& node, std::size_t i, const Extent& has) const {
    using B = BinaryFunction;
    if (node.is(op_clip())) return i > 0;
    if (is(node, {B::min, B::max, B::equal, B::less, B::less_or_equal, B::greater,
                  B::greater_or_equal})) {
      return true;
    }
    const bool passes = is(node, {B::add, B::mul}) || node.is(op_select()) || moves(node);
    return passes && has.high <= limits_.largest && out_.is_mask[node.outputs[0].index];
  }

  bool would_vanish(const Node& node, std::size_t i) const {
    using B = BinaryFunction;
    if (is_product(node)) return i < 2;
    if (is(node, {B::add, B::sub})) return value(node.inputs[i]).constant.size() == 1;
    return is_one_of(node, {&op_binary(), &op_clip(), &op_einsum()});
  }

  // Its sums take the edge off what weights lose below full precision.
  static bool is_product(const Node& node) {
    return is_one_of(node, {&op_conv(), &op_conv_transpose(), &op_gemm(), &op_matmul()});
  }

  // A small number that keeps another one away from 0.
  static bool guards_zero(const Node& node) {
    return is(node, {BinaryFunction::add, BinaryFunction::sub, BinaryFunction::max}) ||
           node.is(op_clip());
  }

  // What makes the number that is kept away from 0, and the functions for whose sake it is: they
  // are steep there.
  void keep_around(NodeId guard) {
    const std::string why =
        "it belongs to " + graph_.node(guard).name + ", which holds a number away from 0";
    keep_statistics(guard, why);
    std::vector<NodeId> open = {guard};
    while (!open.empty()) {
      const ValueId made = graph_.node(open.back()).outputs[0];
      open.pop_back();
      for (const Use& use : value(made).uses) {
        const Node& node = graph_.node(use.node);
        const bool steep =
            is(node, {UnaryFunction::sqrt, UnaryFunction::reciprocal, UnaryFunction::log}) ||
            (is(node, {BinaryFunction::pow}) && use.input == 0);
        const bool inverse = is(node, {BinaryFunction::div}) && use.input == 1;
        const bool ends = inverse || is(node, {BinaryFunction::mul});
        const bool passed = moves(node) && use.input == 0;
        if (!(steep || ends || passed) || !keep(use.node, why)) continue;
        if (!ends || (inverse && value(node.inputs[0]).is_constant())) open.push_back(use.node);
      }
    }
  }

  // Means of squares, norms and the like before the guard.
  void keep_statistics(NodeId guard, const std::string& why) {
    const Node* node = &graph_.node(guard);
    for (;;) {
      ValueId from = ValueId::none();
      for (std::size_t i = 0; i < node->inputs.size() && !from.exists(); ++i) {
        if (may_narrow(graph_, *node, i) && !value(node->inputs[i]).is_constant())
          from = node->inputs[i];
      }
      if (!from.exists() || !value(from).producer.exists()) return;
      const NodeId id = value(from).producer;
      node = &graph_.node(id);
      const bool squares = is(*node, {BinaryFunction::pow}) ||
                           (is(*node, {BinaryFunction::mul}) && node->inputs[0] == node->inputs[1]);
      const bool passes = node->is(op_reduce()) || moves(*node) || node->is(op_clip()) ||
                          is(*node, {UnaryFunction::sqrt, UnaryFunction::abs, UnaryFunction::relu});
      if ((squares || passes) && !keep(id, why)) return;
      if (!passes) return;
    }
  }

  std::string by_ranges(const Node& node) const {
    const auto too_large = [&](ValueId id) {
      if (!is_f32(id) || value(id).is_constant()) return std::string();
      const auto at = ranges_.of.find(value(id).name);
      if (at == ranges_.of.end()) return std::string();
      const ValueRange& range = at->second;
      const bool hides = out_.is_mask[id.index] && range.highest <= limits_.comfortable;
      const double reach = hides ? range.highest : std::max(-range.lowest, range.highest);
      if (reach <= limits_.comfortable) return std::string();
      return value(id).name + " reaches " + number(reach);
    };
    for (const ValueId id : node.outputs) {
      if (std::string why = too_large(id); !why.empty()) return "its result " + why;
    }
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!may_narrow(graph_, node, i)) continue;
      if (std::string why = too_large(node.inputs[i]); !why.empty()) return "its input " + why;
    }
    return {};
  }

  const Graph& graph_;
  DType half_;
  HalfLimits limits_;
  const ValueRanges& ranges_;
  std::map<ValueId, Extent> extents_;
  WideNodes out_;
};

}  // namespace

HalfLimits limits_of(DType half) {
  STROP_CHECK(half == DType::f16 || half == DType::bf16, "a half type is f16 or bf16");
  HalfLimits out;
  out.largest = half == DType::f16 ? 65504 : 0x1.FEp127;
  out.tiniest = half == DType::f16 ? 0x1p-14 : 0x1p-126;
  out.comfortable = out.largest / 4;
  out.mask = -out.largest / 2;
  return out;
}

WideNodes find_wide_nodes(const Graph& graph, DType half, const ValueRanges& ranges) {
  return Finder(graph, half, ranges).run();
}

bool may_narrow(const Graph& graph, const Node& node, std::size_t i) {
  const ValueId id = node.input(i);
  if (!id.exists()) return false;
  const Type& type = graph.value(id).type;
  if (!type.is_tensor() || type.dtype != DType::f32) return false;
  if (is_one_of(node, {&op_batch_norm(), &op_grid_sample(), &op_resize()})) return i == 0;
  if (node.is(op_linear_attention())) return i != 3;
  if (node.is(op_conv()) && i == 2) return !graph.value(id).is_constant();
  if ((node.op->traits.parameter_inputs >> std::min<std::size_t>(i, 31) & 1u) == 0) return true;
  // Read on the host: as the tensor beside it has it, where they have one type.
  const char letter = operand_of(*node.op, i).same_as;
  return letter != 0 && (node.op->traits.parameter_inputs & 1u) == 0 &&
         operand_of(*node.op, 0).same_as == letter;
}

bool is_narrowable(const Graph& graph, const Node& node) {
  if (node.is(op_cast()) && node.as<CastAttributes>().to == DType::f32) return true;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (may_narrow(graph, node, i)) return true;
  }
  return false;
}

}  // namespace strop

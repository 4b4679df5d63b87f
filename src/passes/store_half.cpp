// SPDX-License-Identifier: Apache-2.0
// Every f32 value of a graph is stored in f16 or bf16, where the target asks for it: constants are
// converted, operators take and give the half type, and sum in f32 inside. Inputs and outputs of
// the graph keep their types: each is cast once.
//
// Nodes that have to compute in f32 stay as they are, between casts (wide_nodes.hpp says which and
// why, and the report says so too); a value that two nodes exchange in f32 is not cast on its way.
// Nested graphs, and the nodes that hold them, stay in f32.
//
// Weights are rounded so that the sum of each filter stays (round_weights.hpp); a constant bias of
// a convolution stays f32.
//
// Of what is added to scores before a softmax, numbers that the type does not hold become half its
// lowest number: the score is hidden all the same, and stays finite.
//
// After all that looks for constants or spelled-out functions, and before fuse_epilogue, which
// hides nodes.
#include "passes/passes.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "ops/cast.hpp"
#include "ops/clip.hpp"
#include "passes/round_weights.hpp"
#include "passes/uniform_constant.hpp"
#include "passes/wide_nodes.hpp"

namespace strop {
namespace {

class Storer {
 public:
  Storer(Graph& graph, const PassContext& context)
      : graph_(graph),
        context_(context),
        half_(context.target.storage),
        limits_(limits_of(half_)),
        patch_(graph, {}),
        narrow_(graph.value_count(), ValueId::none()),
        moved_(graph.value_count(), ValueId::none()) {}

  int run() {
    // A range of f32 is one of bf16.
    if (half_ == DType::f16 && context_.target.ranges) ranges_ = context_.target.ranges(graph_);
    if (!ranges_.note.empty()) context_.note(ranges_.note);
    wide_ = find_wide_nodes(graph_, half_, ranges_);
    find_present_casts();
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (!is_narrowable(graph_, node) || is_border(node) || is_widening(node)) continue;
      if (const auto why = wide_.why.find(id); why != wide_.why.end()) {
        context_.note("keep " + label_of(node) + " in f32: " + why->second);
        continue;
      }
      rewrite(node);
    }
    if (rewritten_ == 0) return 0;
    patch_.apply(graph_);
    context_.note("store what " + std::to_string(rewritten_) + " nodes make in " +
                  std::string(to_string(half_)));
    return rewritten_;
  }

 private:
  const Value& value(ValueId id) const { return graph_.value(id); }
  DType dtype(ValueId id) const { return value(id).type.dtype; }

  // A cast from f32 to the half type of a value that stays f32, or the clip before it.
  bool is_border(const Node& node) const {
    if (is_narrowing(node)) {
      const ValueId from = node.inputs[0];
      return value(from).is_input || stays_wide(value(from).producer);
    }
    return is_border_clip(node);
  }

  bool stays_wide(NodeId id) const {
    return id.exists() && (wide_.why.contains(id) || is_border_clip(graph_.node(id)) ||
                           !is_narrowable(graph_, graph_.node(id)));
  }

  bool is_narrowing(const Node& node) const {
    return node.is(op_cast()) && dtype(node.inputs[0]) == DType::f32 &&
           node.as<CastAttributes>().to == half_;
  }

  bool is_widening(const Node& node) const {
    return node.is(op_cast()) && dtype(node.inputs[0]) == half_ &&
           node.as<CastAttributes>().to == DType::f32;
  }

  bool is_border_clip(const Node& node) const {
    if (!node.is(op_clip()) || node.inputs.size() != 2 || !node.inputs[1].exists()) return false;
    return uniform_constant(value(node.inputs[1])) == limits_.mask &&
           !graph_.is_output(node.outputs[0]) && !value(node.outputs[0]).uses.empty() &&
           std::ranges::all_of(value(node.outputs[0]).uses,
                               [&](const Use& use) { return is_narrowing(graph_.node(use.node)); });
  }

  // Values that are there in both types: neither needs another cast.
  void find_present_casts() {
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (is_widening(node)) narrow_[node.outputs[0].index] = node.inputs[0];
      if (is_narrowing(node) && is_border(node)) narrow_[node.inputs[0].index] = node.outputs[0];
    }
  }

  void rewrite(const Node& node) {
    if (is_narrowing(node)) {  // of what is stored in that type anyway
      const ValueId from = narrowed(node.inputs[0], false, {});
      take_place(node.outputs[0], from);
      ++rewritten_;
      return;
    }
    Attributes attributes = node.attributes;
    if (node.is(op_cast()) && node.as<CastAttributes>().to == DType::f32) {
      CastAttributes cast = node.as<CastAttributes>();
      cast.to = half_;
      attributes = cast;
    }
    const bool mask = wide_.is_mask[node.outputs[0].index];
    std::vector<ValueId> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId input = node.inputs[i];
      inputs.push_back(may_narrow(graph_, node, i)
                           ? narrowed(input, mask, sums_over(graph_, node, i))
                           : current(input));
    }
    Emitter::Options options;
    options.name = node.name;
    options.origins = node.origins;
    if (options.origins.empty() && !node.name.empty()) options.origins = {node.name};
    for (const ValueId output : node.outputs) {
      const std::string& name = value(output).name;
      options.output_names.push_back(dtype(output) == DType::f32 ? half_name(name) : name);
    }
    const std::vector<ValueId> made =
        patch_.emit(*node.op, std::move(attributes), std::move(inputs), node.outputs.size(),
                    std::move(options));
    for (std::size_t i = 0; i < made.size(); ++i) put(node.outputs[i], made[i]);
    ++rewritten_;
  }

  // `made` holds what `before` did, perhaps in the half type.
  void put(ValueId before, ValueId made) {
    if (patch_.type(made).dtype == dtype(before)) {
      take_place(before, made);
      return;
    }
    narrow_[before.index] = made;
    if (read_wide(before)) take_place(before, cast(made, DType::f32, value(before).name));
  }

  void take_place(ValueId before, ValueId made) {
    moved_[before.index] = made;
    patch_.replace(before, made);
  }

  // Whether somebody reads the value in f32.
  bool read_wide(ValueId id) const {
    if (graph_.is_output(id)) return true;
    return std::ranges::any_of(value(id).uses, [&](const Use& use) {
      const Node& node = graph_.node(use.node);
      return wide_.why.contains(use.node) || !may_narrow(graph_, node, use.input) ||
             is_border_clip(node);
    });
  }

  ValueId current(ValueId id) const {
    return id.exists() && moved_[id.index].exists() ? moved_[id.index] : id;
  }

  // An f32 value in the half type. `mask`: what reads it is a term of a softmax; `sums`: what it is
  // summed over.
  ValueId narrowed(ValueId id, bool mask, const Sums& sums) {
    if (value(id).is_constant()) return constant(id, mask, sums);
    if (narrow_[id.index].exists()) return current_narrow(id);
    ValueId from = current(id);
    if (wide_.is_mask[id.index] && !is_in_range(id)) from = clipped(from, value(id).name);
    return narrow_[id.index] = cast(from, half_, half_name(value(id).name));
  }

  // What was made in the half type may itself have been replaced.
  ValueId current_narrow(ValueId id) const {
    const ValueId half = narrow_[id.index];
    return half.index < moved_.size() ? current(half) : half;
  }

  bool is_in_range(ValueId id) const {
    const auto at = ranges_.of.find(value(id).name);
    return at != ranges_.of.end() && at->second.lowest >= -limits_.comfortable &&
           !value(id).is_input;
  }

  ValueId clipped(ValueId from, const std::string& name) {
    const ValueId low = patch_.constant(Tensor::from<float>({}, {static_cast<float>(limits_.mask)}),
                                        name + "_lowest");
    return patch_.emit(op_clip(), NoAttributes{}, {from, low}, 1,
                       {.output_names = {name + "_clipped"}})[0];
  }

  ValueId cast(ValueId from, DType to, const std::string& name) {
    return patch_.emit(op_cast(), CastAttributes{.to = to}, {from}, 1, {.output_names = {name}})[0];
  }

  ValueId constant(ValueId id, bool mask, const Sums& sums) {
    const auto [at, fresh] = constants_.try_emplace({id, mask, sums});
    if (!fresh) return at->second;
    const Tensor& tensor = value(id).constant;
    const std::string name = half_name(value(id).name);
    at->second = patch_.constant(mask ? rounded(tensor, half_, static_cast<float>(limits_.mask))
                                      : rounded_with_sums(tensor, half_, sums),
                                 mask ? name + "_mask" : name);
    return at->second;
  }

  std::string half_name(const std::string& name) const {
    return name + "_" + std::string(to_string(half_));
  }

  Graph& graph_;
  const PassContext& context_;
  DType half_;
  HalfLimits limits_;
  ValueRanges ranges_;
  WideNodes wide_;
  Patch patch_;
  std::vector<ValueId> narrow_;  // by f32 value: the same in the half type
  std::vector<ValueId> moved_;   // by value: what took its place
  std::map<std::tuple<ValueId, bool, Sums>, ValueId> constants_;
  int rewritten_ = 0;
};

int run(Graph& graph, const PassContext& context) {
  const DType storage = context.target.storage;
  if (context.target.backend != "cuda" || (storage != DType::f16 && storage != DType::bf16))
    return 0;
  if (!graph.scope().empty()) return 0;  // a nested graph
  return Storer(graph, context).run();
}

}  // namespace

Pass store_half() {
  return {
      .name = "store_half",
      .summary = "stores f32 values in f16 or bf16 where the target asks for it and they fit",
      .run = run,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "base/shape.hpp"
#include "ops/cast.hpp"
#include "ops/concat.hpp"
#include "ops/fused.hpp"
#include "ops/normalize_by_sums.hpp"
#include "tactic/tactic.hpp"

namespace strop {

// A fused node's body, or a plain node seen as a body of one node over its own inputs.
//
// The casts of a body that begins with one (assign_precision.cpp) are looked through: its nodes
// compute in f32 on inputs and into outputs of other types.
class FusedView {
 public:
  explicit FusedView(const Problem& problem) : problem_(problem) {
    if (problem.is(op_fused())) {
      graph_ = problem.node->subgraphs.at(0).get();
      for (NodeId id : graph_->order()) nodes_.push_back(&graph_->node(id));
      casts_ = !nodes_.empty() && nodes_[0]->is(op_cast());
      if (casts_) std::erase_if(nodes_, [](const Node* node) { return node->is(op_cast()); });
    } else {
      nodes_.push_back(problem.node);
    }
  }

  const std::vector<const Node*>& nodes() const { return nodes_; }
  bool casts() const { return casts_; }

  // Which input of the problem's node a value is; -1: none of them.
  std::int64_t input_index(ValueId id) const {
    id = before_casts(id);
    const auto inputs =
        graph_ != nullptr ? graph_->inputs() : std::span<const ValueId>(problem_.node->inputs);
    const auto at = std::ranges::find(inputs, id);
    return at == inputs.end() ? -1 : at - inputs.begin();
  }

  const Tensor* constant(ValueId id) const {
    const std::int64_t index = input_index(id);
    if (index >= 0) return problem_.constant(static_cast<std::size_t>(index));
    const Value& value = (graph_ != nullptr ? *graph_ : *problem_.graph).value(id);
    return value.is_constant() ? &value.constant : nullptr;
  }

  const Type& type(ValueId id) const {
    return (graph_ != nullptr ? *graph_ : *problem_.graph).value(id).type;
  }

  // The body has one output, the last node's.
  bool ends_in(ValueId id) const { return graph_ == nullptr || gives({id}); }

  // The body's outputs are these.
  bool gives(std::initializer_list<ValueId> outputs) const {
    return graph_ != nullptr &&
           std::ranges::equal(graph_->outputs(), outputs,
                              [&](ValueId own, ValueId id) { return before_casts(own) == id; });
  }

 private:
  ValueId before_casts(ValueId id) const {
    while (casts_ && graph_->value(id).producer.exists()) {
      const Node& node = graph_->node(graph_->value(id).producer);
      if (!node.is(op_cast())) break;
      id = node.inputs[0];
    }
    return id;
  }

  const Problem& problem_;
  const Graph* graph_ = nullptr;
  std::vector<const Node*> nodes_;
  bool casts_ = false;
};

// Whether a body begins with a concat (passes/fuse_concat.cpp) and goes on.
inline bool begins_with_concat(const FusedView& body) {
  return !body.casts() && body.nodes().size() > 1 && body.nodes()[0]->is(op_concat());
}

// Whether a body begins with normalize_by_sums (passes/fold_layer_norm.cpp) and goes on.
inline bool begins_with_normalize(const FusedView& body) {
  return !body.casts() && body.nodes().size() > 1 && body.nodes()[0]->is(op_normalize_by_sums());
}

// What the concat in front of the anchor joins, as inputs of the problem's node; false when it is
// no concat along that axis of inputs alone, or not what the anchor reads first.
inline bool view_pieces(const FusedView& body, const Node& anchor, std::int64_t axis,
                        std::vector<std::int64_t>& pieces) {
  const Node& concat = *body.nodes()[0];
  const std::int64_t rank = body.type(concat.outputs[0]).rank();
  for (const ValueId input : concat.inputs) pieces.push_back(body.input_index(input));
  return rank >= 0 && normalize_axis(concat.as<ConcatAttributes>().axis, rank) == axis &&
         anchor.inputs[0] == concat.outputs[0] && std::ranges::count(pieces, -1) == 0;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <vector>

#include "ops/fused.hpp"
#include "tactic/tactic.hpp"

namespace strop::cpu {

// A fused node's body, or a plain node seen as a body of one node over its own inputs.
class FusedView {
 public:
  explicit FusedView(const Problem& problem) : problem_(problem) {
    if (problem.is(op_fused())) {
      graph_ = problem.node->subgraphs.at(0).get();
      for (NodeId id : graph_->order()) nodes_.push_back(&graph_->node(id));
    } else {
      nodes_.push_back(problem.node);
    }
  }

  const std::vector<const Node*>& nodes() const { return nodes_; }

  // Which input of the problem's node a value is; -1: none of them.
  std::int64_t input_index(ValueId id) const {
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
  bool ends_in(ValueId id) const {
    return graph_ == nullptr || (graph_->outputs().size() == 1 && graph_->outputs()[0] == id);
  }

 private:
  const Problem& problem_;
  const Graph* graph_ = nullptr;
  std::vector<const Node*> nodes_;
};

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// An if_else whose condition is a constant becomes the nodes of the branch that runs; branches
// within that branch too. Every bit stays.
//
// Left alone: a branch with a `dims` node whose symbols stand for sizes that are not known from the
// inputs' shapes outside.
#include <algorithm>
#include <set>

#include "ir/inline.hpp"
#include "ops/if_else.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

std::set<std::string> attribute_symbols(const Graph& graph) {
  std::set<std::string> out;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (!node.attributes.has_symbols()) continue;
    node.attributes.map_dims([&](const Dim& dim) {
      dim.collect_symbols(out);
      return dim;
    });
  }
  return out;
}

class BranchInliner {
 public:
  BranchInliner(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {
    for (const ValueId id : graph.inputs()) {
      const Type& type = graph.value(id).type;
      for (const Dim& dim : type.shape.value_or(SymShape{})) {
        if (dim.is_symbol()) known_.insert(dim.symbol_name());
      }
    }
  }

  int run() {
    int inlined = 0;
    // What comes out of a branch is put behind the nodes that are there, and looked at in its turn.
    for (std::uint32_t i = 0; i < graph_.node_slots(); ++i) {
      const Node& node = graph_.node(NodeId{i});
      if (node.alive && node.is(op_if_else()) && inline_branch(node)) ++inlined;
    }
    return inlined;
  }

 private:
  bool inline_branch(const Node& node) {
    const Tensor& condition = graph_.value(node.inputs[0]).constant;
    if (!condition.defined() || condition.size() != 1) return false;
    const bool holds = condition.values<bool>()[0];
    const std::shared_ptr<const Graph> branch = node.subgraphs[holds ? 0 : 1];
    const std::vector<ValueId> captures(node.inputs.begin() + 1, node.inputs.end());
    const std::vector<ValueId> before = node.outputs;
    Patch patch(graph_, "take branch " + std::string(node.op->subgraphs[holds ? 0 : 1]) + " of " +
                            label_of(node));
    if (!symbols_are_known(patch, *branch, captures)) {
      context_.note("left " + label_of(node) +
                    ": its branch computes with sizes that are found out at run time");
      return false;
    }
    patch.descend_from(node);
    const std::vector<ValueId> after = emit_graph(patch, *branch, captures);
    for (std::size_t i = 0; i < before.size(); ++i) patch.replace(before[i], after[i]);
    context_.apply(patch, graph_);
    return true;
  }

  bool symbols_are_known(const Patch& patch, const Graph& branch,
                         const std::vector<ValueId>& captures) const {
    const auto outside = inlined_symbols(patch, branch, captures);
    return std::ranges::all_of(attribute_symbols(branch), [&](const std::string& symbol) {
      const auto at = outside.find(symbol);
      if (at == outside.end()) return false;
      std::set<std::string> needed;
      at->second.collect_symbols(needed);
      return std::ranges::includes(known_, needed);
    });
  }

  Graph& graph_;
  const PassContext& context_;
  std::set<std::string> known_;  // symbols that stand alone as a dimension of an input
};

int run(Graph& graph, const PassContext& context) { return BranchInliner(graph, context).run(); }

}  // namespace

Pass inline_constant_branch() {
  return {
      .name = "inline_constant_branch",
      .summary = "puts the branch that a constant condition names in the place of its if_else",
      .run = run,
  };
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// A pass is data: a name that says its contract, one sentence, and a function that rewrites a graph
// through patches. It runs once, leaves dead nodes to the runner, and running it again finds
// nothing to do. docs/add-a-pass.md walks through one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ir/patch.hpp"
#include "passes/target.hpp"

namespace strop {

struct PassContext {
  Target target;
  // Receives the label of every patch that was applied, and of what was left alone for a reason.
  std::function<void(std::string_view)> report;

  void note(std::string_view text) const {
    if (report) report(text);
  }
  // Applies and reports.
  void apply(Patch& patch, Graph& graph) const {
    patch.apply(graph);
    note(patch.label());
  }
};

struct Pass {
  std::string_view name;     // fold_constants: also the file and the name on the command line
  std::string_view summary;  // one sentence
  // Returns how many rewrites it made. Throws Error.
  int (*run)(Graph&, const PassContext&) = nullptr;
};

// Calls `rewrite` for each node of that operator that the graph has now; returns how often it gave
// true.
int rewrite_each(Graph& graph, const OpDef& op, const std::function<bool(const Node&)>& rewrite);

// "/layer1/Conv", or "conv" for a node without a name; for labels.
inline std::string label_of(const Node& node) {
  return node.name.empty() ? std::string(node.op->name) : node.name;
}

}  // namespace strop

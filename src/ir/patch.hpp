// SPDX-License-Identifier: Apache-2.0
// A rewrite as a value: nodes to add, and old values whose uses move to new ones. It can be
// printed, dropped or applied; applying it is the only way a finished graph changes. Nodes left
// without users are removed by the pass runner (eliminate_dead_code), not by the patch.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ir/graph.hpp"

namespace strop {

class Patch final : public Emitter {
 public:
  // `label` says what the rewrite does ("fuse bias into conv /layer1/Conv"); the graph must not
  // change until apply().
  Patch(const Graph& graph, std::string label);

  using Emitter::emit;
  std::vector<ValueId> emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs,
                            std::size_t output_count, Options options) override;
  ValueId constant(Tensor tensor, std::string name = {}) override;
  const Value& value(ValueId id) const override;

  // Every use of `from` by the graph so far (its outputs too) becomes a use of `to`; the patch's
  // own nodes go on reading `from`. A new value takes over the old one's name. The types must agree
  // in kind and element type; a sharper shape is welcome.
  void replace(ValueId from, ValueId to);
  // Nodes made by this patch from now on descend from `node`: its origins are recorded in them.
  void descend_from(const Node& node);

  const std::string& label() const { return label_; }
  bool empty() const { return replacements_.empty(); }
  void apply(Graph& graph);

 private:
  const Graph& graph_;
  std::string label_;
  std::size_t first_value_;
  std::size_t first_node_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<std::pair<ValueId, ValueId>> replacements_;
  std::vector<std::string> origins_;
};

}  // namespace strop

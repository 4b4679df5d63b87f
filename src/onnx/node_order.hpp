// SPDX-License-Identifier: Apache-2.0
// The nodes of one graph or function as a whole: an order in which each node comes after what it
// reads, what its nested graphs read from outside, and which names anybody reads. Linear in the
// size of the graph, but for the order of a graph that is not sorted (n log n).
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "onnx/import_budget.hpp"
#include "onnx/model_reader.hpp"

namespace strop::onnx {

struct NodeOrder {
  std::vector<std::size_t> sorted;      // indices of nodes
  std::vector<std::size_t> unsorted;    // on a cycle, or after one
  std::vector<std::size_t> cycle;       // one cycle, each node reading from the one before it
  std::vector<std::size_t> redefining;  // nodes of which an output has the name of an earlier one
  std::unordered_set<std::string_view> used;
  std::unordered_map<std::size_t, std::vector<std::string_view>>
      captures;  // of nodes that have any
};

class NodeOrders {
 public:
  explicit NodeOrders(ImportBudget& budget) : budget_(budget) {}

  const NodeOrder& of(const GraphProto& graph);
  const NodeOrder& of(const FunctionProto& function);

 private:
  // `given` are the names that have a value before any node runs.
  const NodeOrder& make(const void* key, const std::vector<NodeProto>& nodes,
                        const std::unordered_set<std::string_view>& given,
                        const std::vector<std::string_view>& outputs);
  // Names that a graph reads and does not define, in order of first use.
  std::vector<std::string_view> free_names(const GraphProto& graph);
  std::vector<std::string_view> captures_of(const NodeProto& node);

  ImportBudget& budget_;
  std::unordered_map<const void*, NodeOrder> orders_;
};

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_order.hpp"

#include <algorithm>
#include <queue>

namespace strop::onnx {
namespace {

// A name in a set, a map and vectors beside them.
constexpr std::int64_t kBytesOfName = 64;

class UniqueNames {
 public:
  explicit UniqueNames(ImportBudget& budget) : budget_(budget) {}
  void add(std::string_view name) {
    if (name.empty() || !seen_.insert(name).second) return;
    budget_.charge_bytes(kBytesOfName);
    names_.push_back(name);
  }
  std::vector<std::string_view> take() { return std::move(names_); }

 private:
  ImportBudget& budget_;
  std::unordered_set<std::string_view> seen_;
  std::vector<std::string_view> names_;
};

std::unordered_set<std::string_view> given_names(const GraphProto& graph) {
  std::unordered_set<std::string_view> out;
  for (const auto& input : graph.input) out.insert(input.name);
  for (const auto& tensor : graph.initializer) out.insert(tensor.name);
  for (const auto& sparse : graph.sparse_initializer) out.insert(sparse.values.name);
  return out;
}

}  // namespace

std::vector<std::string_view> NodeOrders::captures_of(const NodeProto& node) {
  UniqueNames out(budget_);
  for (const AttributeProto& attribute : node.attribute) {
    if (attribute.g == nullptr) continue;
    for (const std::string_view name : free_names(*attribute.g)) out.add(name);
  }
  return out.take();
}

std::vector<std::string_view> NodeOrders::free_names(const GraphProto& graph) {
  std::unordered_set<std::string_view> defined = given_names(graph);
  for (const auto& node : graph.node) defined.insert(node.output.begin(), node.output.end());
  UniqueNames out(budget_);
  const auto read = [&](std::string_view name) {
    if (!defined.contains(name)) out.add(name);
  };
  const NodeOrder& order = of(graph);
  for (std::size_t i = 0; i < graph.node.size(); ++i) {
    for (const std::string_view name : graph.node[i].input) read(name);
    const auto captured = order.captures.find(i);
    if (captured == order.captures.end()) continue;
    for (const std::string_view name : captured->second) read(name);
  }
  for (const auto& output : graph.output) read(output.name);
  return out.take();
}

const NodeOrder& NodeOrders::of(const GraphProto& graph) {
  if (const auto known = orders_.find(&graph); known != orders_.end()) return known->second;
  std::vector<std::string_view> outputs;
  for (const auto& output : graph.output) outputs.push_back(output.name);
  return make(&graph, graph.node, given_names(graph), outputs);
}

const NodeOrder& NodeOrders::of(const FunctionProto& function) {
  if (const auto known = orders_.find(&function); known != orders_.end()) return known->second;
  return make(&function, function.node, {function.input.begin(), function.input.end()},
              function.output);
}

const NodeOrder& NodeOrders::make(const void* key, const std::vector<NodeProto>& nodes,
                                  const std::unordered_set<std::string_view>& given,
                                  const std::vector<std::string_view>& outputs) {
  NodeOrder order;
  std::unordered_map<std::string_view, std::size_t> producer;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string_view name : nodes[i].output) {
      if (name.empty() || given.contains(name)) continue;  // the given one is read
      budget_.charge_bytes(kBytesOfName);
      if (!producer.emplace(name, i).second &&
          (order.redefining.empty() || order.redefining.back() != i)) {
        order.redefining.push_back(i);
      }
    }
  }
  // Edges from producer to reader, one entry a reading.
  std::vector<std::vector<std::size_t>> readers(nodes.size());
  std::vector<std::size_t> waiting(nodes.size(), 0);
  budget_.charge_elements(static_cast<std::int64_t>(nodes.size()), 64);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto read = [&](std::string_view name) {
      if (name.empty()) return;
      budget_.charge_bytes(kBytesOfName);
      order.used.insert(name);
      const auto from = producer.find(name);
      if (from == producer.end()) return;
      readers[from->second].push_back(i);
      ++waiting[i];
    };
    for (const std::string_view name : nodes[i].input) read(name);
    std::vector<std::string_view> captured = captures_of(nodes[i]);
    for (const std::string_view name : captured) read(name);
    if (!captured.empty()) order.captures.emplace(i, std::move(captured));
  }
  for (const std::string_view name : outputs) order.used.insert(name);

  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  std::vector<bool> done(nodes.size(), false);
  while (!ready.empty()) {
    const std::size_t i = ready.top();
    ready.pop();
    done[i] = true;
    order.sorted.push_back(i);
    for (const std::size_t reader : readers[i]) {
      if (--waiting[reader] == 0) ready.push(reader);
    }
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!done[i]) order.unsorted.push_back(i);
  }
  if (!order.unsorted.empty()) {
    // Every node that is left reads from another one that is left: walking back ends in a cycle.
    std::vector<std::size_t> from(nodes.size(), nodes.size());
    for (const std::size_t i : order.unsorted) {
      for (const std::size_t reader : readers[i]) {
        if (!done[reader] && from[reader] == nodes.size()) from[reader] = i;
      }
    }
    std::vector<bool> seen(nodes.size(), false);
    std::size_t at = order.unsorted.front();
    while (!seen[at]) {
      seen[at] = true;
      at = from[at];
    }
    const std::size_t first = at;
    do {
      order.cycle.push_back(at);
      at = from[at];
    } while (at != first);
    std::ranges::reverse(order.cycle);
  }
  return orders_.emplace(key, std::move(order)).first->second;
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// The graph that passes rewrite. Values are tensors (or boxed values) with one producer: a node, a
// graph input, or a constant. Nodes are kept in topological order. Outside of construction the only
// mutation is Patch (ir/patch.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.hpp"
#include "ir/attributes.hpp"
#include "ir/infer.hpp"
#include "ir/op_def.hpp"
#include "ir/type.hpp"

namespace strop {

inline constexpr std::uint32_t kNoId = std::numeric_limits<std::uint32_t>::max();

// Index of a value in its graph; none() is an absent optional input.
struct ValueId {
  std::uint32_t index = kNoId;
  static constexpr ValueId none() { return {}; }
  bool exists() const { return index != kNoId; }
  auto operator<=>(const ValueId&) const = default;
};

struct NodeId {
  std::uint32_t index = kNoId;
  bool exists() const { return index != kNoId; }
  auto operator<=>(const NodeId&) const = default;
};

struct Use {
  NodeId node;
  std::uint32_t input = 0;
};

struct Value {
  std::string name;
  Type type;
  NodeId producer;                 // none: graph input or constant
  std::uint32_t output_index = 0;  // of the producer
  bool is_input = false;
  Tensor constant;                           // defined: the value is this constant
  std::optional<std::vector<Dim>> elements;  // symbolic contents of small integer tensors
  std::vector<Use>
      uses;  // by nodes of this graph, in no particular order; graph outputs are not among them

  bool is_constant() const { return constant.defined(); }
};

class Graph;

// Removes nodes whose outputs nobody uses, in one sweep against the order, and lets go of the
// contents of constants that nobody uses. Returns how many nodes it removed.
std::size_t remove_dead_nodes(Graph& graph);

struct Node {
  const OpDef* op = nullptr;
  Attributes attributes;
  std::vector<ValueId> inputs;  // trailing absent inputs are cut off
  std::vector<ValueId> outputs;
  std::vector<std::shared_ptr<const Graph>> subgraphs;
  std::string name;
  std::vector<std::string> origins;  // names of the model's nodes it was made from
  std::vector<ShapeConstraint> constraints;
  bool alive = true;

  bool is(const OpDef& other) const { return op == &other; }
  template <class A>
  const A& as() const {
    return attributes.as<A>();
  }
  ValueId input(std::size_t i) const { return i < inputs.size() ? inputs[i] : ValueId::none(); }
};

// How many inputs of the node are captured by its nested graphs: its last ones, and theirs.
std::size_t captured_inputs(const Node& node);

// Adds nodes somewhere: to a graph under construction (GraphBuilder) or to a rewrite (Patch).
// Decompositions are written against this class and serve both. Output types are inferred on the
// spot; errors carry the node's name.
class Emitter {
 public:
  virtual ~Emitter() = default;

  struct Options {
    std::string name{};  // default: derived from the first output or the operator
    std::vector<std::string> output_names{};  // default: generated
    std::vector<std::shared_ptr<const Graph>> subgraphs{};
    std::vector<std::string> origins{};
  };
  // A node with `output_count` outputs.
  virtual std::vector<ValueId> emit(const OpDef& op, Attributes attributes,
                                    std::vector<ValueId> inputs, std::size_t output_count,
                                    Options options) = 0;
  std::vector<ValueId> emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs,
                            std::size_t output_count) {
    return emit(op, std::move(attributes), std::move(inputs), output_count, Options{});
  }
  // A node with one output.
  ValueId emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs) {
    return emit(op, std::move(attributes), std::move(inputs), 1, Options{}).front();
  }
  virtual ValueId constant(Tensor tensor, std::string name = {}) = 0;
  // 1-D i64 constant.
  ValueId integers(const std::vector<std::int64_t>& values) {
    return constant(Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  }
  virtual const Value& value(ValueId id) const = 0;
  const Type& type(ValueId id) const { return value(id).type; }
};

class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;
  Graph clone() const;

  const std::string& name() const { return name_; }
  // Prefix of the symbols of this graph's unknown sizes; differs between a graph and the graphs
  // nested in it.
  const std::string& scope() const { return scope_; }

  std::span<const ValueId> inputs() const { return inputs_; }
  std::span<const ValueId> outputs() const { return outputs_; }
  // Of output i; stays what the model said, whatever value it is.
  const std::string& output_name(std::size_t i) const { return output_names_[i]; }
  bool is_output(ValueId id) const;

  const Value& value(ValueId id) const;
  const Node& node(NodeId id) const;
  const Node* producer(ValueId id) const;                     // null: input or constant
  std::size_t value_count() const { return values_.size(); }  // ids below this were ever in use
  std::size_t node_slots() const { return nodes_.size(); }
  std::size_t node_count() const;  // living nodes
  // Living nodes in topological order. Valid until the next mutation.
  const std::vector<NodeId>& order() const;
  // Exactly one use, by a node, and not a graph output.
  bool has_single_use(ValueId id) const;

  // Recomputes all types, symbolic contents and constraints from the inputs' types, in nested
  // graphs where what they capture has another type than before. Throws Error naming the node.
  void infer();

 private:
  friend class GraphBuilder;
  friend class Patch;
  friend std::size_t remove_dead_nodes(Graph& graph);

  ValueId add_value(Value value);
  NodeId add_node(Node node);
  void retype_captures(Node& node);

  std::string name_ = "main";
  std::string scope_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<ValueId> outputs_;
  std::vector<std::string> output_names_;
  mutable std::vector<NodeId> order_;
  mutable bool order_valid_ = true;
};

// Constructs a graph from nothing. take() may be called once.
class GraphBuilder final : public Emitter {
 public:
  explicit GraphBuilder(std::string name = "main", std::string scope = {});

  ValueId add_input(std::string name, Type type);
  using Emitter::emit;
  std::vector<ValueId> emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs,
                            std::size_t output_count, Options options) override;
  ValueId constant(Tensor tensor, std::string name = {}) override;
  const Value& value(ValueId id) const override;
  void set_name(ValueId id, std::string name);
  void add_output(ValueId id, std::string name);
  const Graph& graph() const { return graph_; }
  // Scope for a nested graph of the next node to be emitted.
  std::string nested_scope(std::string_view which) const;
  Graph take();

 private:
  Graph graph_;
};

// Type inference of one node against the values it reads; used by GraphBuilder, Patch and
// Graph::infer.
void infer_node(const Node& node, const std::function<const Value&(ValueId)>& value_of,
                const std::string& scope, std::size_t output_count,
                std::vector<InferOutput>& outputs, std::vector<ShapeConstraint>& constraints);

}  // namespace strop

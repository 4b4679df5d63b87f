// SPDX-License-Identifier: Apache-2.0
// The walk over a model: names become values, nodes are handed to their converters, functions are
// expanded where they are called, nested graphs are closed over what they capture. A node that
// fails poisons its outputs; what reads a poisoned value is skipped without a further problem.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/graph.hpp"
#include "onnx/converter_table.hpp"
#include "onnx/import_budget.hpp"
#include "onnx/importer.hpp"
#include "onnx/model_reader.hpp"
#include "onnx/node_order.hpp"
#include "onnx/problem_list.hpp"
#include "onnx/tensor_decoder.hpp"
#include "onnx/value_types.hpp"

namespace strop::onnx {

// What a name stands for.
struct Binding {
  enum State : std::uint8_t { value, absent, poisoned, constant } state = poisoned;
  ValueId id;     // of a value
  Tensor tensor;  // of a constant that nobody has read yet
};

using Opsets = std::unordered_map<std::string_view, std::int64_t>;

// A graph under construction, and which of its values have a name of the model.
struct Building {
  GraphBuilder builder;
  // Value index to the depth of function calls its name comes from: the outermost name stays.
  std::unordered_map<std::uint32_t, int> named;
};

// One name space: a graph, or one call of a function.
struct Frame {
  Building* building = nullptr;
  const Opsets* opsets = nullptr;
  std::string prefix;  // of the names of nodes
  int call_depth = 0;
  bool in_function = false;
  std::unordered_map<std::string_view, Binding> names;
  // Attributes given to the function; what the call leaves out is null.
  std::unordered_map<std::string_view, const AttributeProto*> attributes;
  std::unordered_set<std::string_view> wanted;  // output names beside what nodes read
};

class GraphImporter {
 public:
  // `path` is how the user called the model, for the commands in messages.
  GraphImporter(const ModelProto& model, const ImportOptions& options, TensorDecoder& decoder,
                ImportBudget& budget, std::string path);
  // Throws Error with all problems.
  Graph import();

  // For NodeContext.
  ImportBudget& budget() { return budget_; }
  TensorDecoder& decoder() { return decoder_; }
  // Contents of a tensor of the model, decoded once.
  Tensor tensor(const TensorProto& proto);
  // The value of a name, brought into the graph if it is a constant nobody has read yet.
  ValueId resolve(Frame& frame, std::string_view name, Binding& binding);
  // What a nested graph reads from outside.
  struct Captured {
    std::string_view name;
    Binding binding;  // a value of the outer graph, or what needs no input: a constant, absent
    Type type;        // of a value
  };
  // A nested graph; nothing when it has problems, which are then in the list. Its inputs are the
  // formal ones and the captured values.
  std::optional<Graph> import_nested(const Frame& outer, const GraphProto& graph,
                                     const std::string& prefix, const std::string& scope,
                                     const std::vector<Type>& input_types,
                                     const std::vector<Captured>& captured);

 private:
  struct Function {
    const FunctionProto* proto = nullptr;
    Opsets opsets;
  };

  void read_opsets(const std::vector<OperatorSetIdProto>& imports, const std::string& of_what,
                   Opsets& into);
  void read_functions();
  // `needed`: leave out all other names; null: none.
  void bind_initializers(Frame& frame, const GraphProto& graph,
                         const std::unordered_set<std::string_view>* needed = nullptr);
  void bind_inputs(Frame& frame, const GraphProto& graph,
                   const std::unordered_set<std::string_view>* needed);
  void add_outputs(Frame& frame, const GraphProto& graph);
  void select_outputs(Frame& frame);
  struct Needed {
    std::vector<std::size_t> nodes;
    std::unordered_set<std::string_view> names;
  };
  Needed needed_for(const std::unordered_set<std::string_view>& wanted, const NodeOrder& order,
                    const std::vector<NodeProto>& nodes) const;
  // Where operators were refused: the command that builds what can be computed without them.
  void suggest_cut(const Frame& frame, const GraphProto& graph);

  void convert_nodes(Frame& frame, const std::vector<NodeProto>& nodes, const NodeOrder& order);
  void convert_node(Frame& frame, const std::vector<NodeProto>& nodes, const NodeOrder& order,
                    std::size_t index);
  void convert_operator(Frame& frame, const NodeProto& node, const NodePlace& place,
                        const NodeOrder& order, const std::vector<std::string_view>* captured,
                        Converter converter);
  void call_function(Frame& frame, const NodeProto& node, const NodePlace& place,
                     const Function& function);
  // The converter of a node; null when there is none, which is then a problem.
  Converter find_converter(const NodeProto& node, const NodePlace& place);
  const Function* find_function(const NodeProto& node) const;
  // Whether a node can be converted at all, for nodes that are skipped.
  void check_operators(const Frame& frame, const NodeProto& node, const NodePlace& place);
  NodePlace place_of(const Frame& frame, const NodeProto& node, std::size_t index) const;
  // Binds an output of a node; keeps the first binding of a name.
  void bind_output(Frame& frame, std::string_view name, Binding binding);
  void poison_outputs(Frame& frame, const NodeProto& node);
  void name_value(Frame& frame, std::string_view name, ValueId id);

  const ModelProto& model_;
  const ImportOptions& options_;
  TensorDecoder& decoder_;
  ImportBudget& budget_;
  const ConverterTable& table_;
  std::string path_;
  ProblemList problems_;
  NodeOrders orders_;
  SymbolNames symbols_;
  Opsets opsets_;
  std::unordered_map<std::string, Function> functions_;
  std::unordered_set<std::string_view> domains_missing_;  // from opset_import, reported
  std::vector<std::string_view> cut_;                     // what refused nodes of the model read
  std::vector<const Function*> calls_;                    // under expansion, outermost first
  std::unordered_map<const TensorProto*, Tensor> tensors_;
  int depth_ = 0;  // of nested graphs and calls together
  int graph_depth_ = 0;
};

}  // namespace strop::onnx

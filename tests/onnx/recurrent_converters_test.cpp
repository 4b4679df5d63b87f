// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN: what each opset reads, and how ONNX's lists of functions are spread.
#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "ops/gru.hpp"
#include "ops/lstm.hpp"
#include "ops/rnn.hpp"

namespace strop::onnx {
namespace {

using wire::Message;

Message strings(std::string_view name, const std::vector<std::string>& values) {
  Message out = Message().bytes(1, name);
  for (const std::string& value : values) out.bytes(9, value);
  return out.number(20, 8);
}

Message reals(std::string_view name, std::initializer_list<float> values) {
  return Message().bytes(1, name).floats(7, values).number(20, 6);
}

// x [2,1,1] of 1 and 2; one hidden unit; all weights 1.
std::string layer(const std::string& op, std::int64_t opset, std::vector<Message> attributes,
                  std::int64_t directions = 1, std::vector<std::string> outputs = {"y", "y_h"}) {
  const std::int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  const std::vector<float> ones(static_cast<std::size_t>(directions * gates), 1.0f);
  wire::ModelParts parts;
  parts.opsets = {{"", opset}};
  parts.graph.initializers = {wire::float_tensor("x", {2, 1, 1}, {1, 2}),
                              wire::float_tensor("w", {directions, gates, 1}, ones),
                              wire::float_tensor("r", {directions, gates, 1}, ones)};
  parts.graph.nodes = {{op, {"x", "w", "r"}, outputs, std::move(attributes), "", "", ""}};
  for (const std::string& name : outputs) {
    if (!name.empty()) {
      parts.graph.outputs.push_back(
          wire::value_info(name, wire::tensor_type_without_shape(wire::kFloat)));
    }
  }
  return wire::model(parts);
}

const RecurrentAttributes& attributes_of(const Node& node) {
  if (node.is(op_lstm())) return node.as<LstmAttributes>();
  if (node.is(op_gru())) return node.as<GruAttributes>();
  return node.as<RnnAttributes>();
}

const Node& only_node(const Graph& graph) {
  EXPECT_EQ(graph.node_count(), 1u);
  return graph.node(graph.order()[0]);
}

ErrorCode code_of(const std::string& bytes) { return problems_of(bytes).front().code; }

const std::vector<std::string> kLayers = {"RNN", "GRU", "LSTM"};

TEST(RecurrentConverters, read_what_their_opset_has) {
  for (const std::string& op : kLayers) {
    for (const std::int64_t opset : {1, 3, 7, 14, 22}) {
      const auto with = [&](Message attribute) { return layer(op, opset, {std::move(attribute)}); };
      EXPECT_NO_THROW(import_bytes(layer(op, opset, {}))) << op << opset;
      EXPECT_NO_THROW(import_bytes(with(wire::int_attribute("hidden_size", 1))));
      EXPECT_EQ(code_of(with(wire::int_attribute("hidden_size", 2))), ErrorCode::bad_attribute);
      EXPECT_EQ(code_of(with(wire::string_attribute("direction", "foward2"))),
                ErrorCode::bad_attribute);
      const auto known = [&](Message attribute, bool expected) {
        const std::string bytes = with(std::move(attribute));
        if (expected) {
          EXPECT_NO_THROW(import_bytes(bytes)) << op << opset;
        } else {
          EXPECT_EQ(code_of(bytes), ErrorCode::bad_attribute) << op << opset;
        }
      };
      known(wire::int_attribute("output_sequence", 1), opset < 7);
      known(wire::int_attribute("layout", 0), opset >= 14);
      known(wire::int_attribute("layout", 2), false);
      known(wire::int_attribute("linear_before_reset", 1), op == "GRU" && opset >= 3);
      known(wire::int_attribute("input_forget", 1), op == "LSTM");
      known(wire::string_attribute("direction", "foward"), op == "GRU" && opset < 3);
      known(wire::float_attribute("clip", 2.5f), true);
      known(wire::float_attribute("clip", -1), false);
    }
  }
}

TEST(RecurrentConverters, layout_1_puts_the_batch_first) {
  const Graph graph = import_bytes(layer("GRU", 14, {wire::int_attribute("layout", 1)}));
  EXPECT_TRUE(attributes_of(only_node(graph)).batch_first);
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[2,1,1,1]");
  EXPECT_EQ(graph.value(graph.outputs()[1]).type.to_string(), "f32[2,1,1]");
}

TEST(RecurrentConverters, parameters_go_to_the_functions_that_take_one) {
  const Graph graph = import_bytes(layer(
      "LSTM", 14,
      {wire::string_attribute("direction", "bidirectional"),
       strings("activations", {"Sigmoid", "leakyrelu", "HardSigmoid", "Elu", "Tanh", "ScaledTanh"}),
       reals("activation_alpha", {0.5f, 0.25f}), reals("activation_beta", {0.75f})},
      2));
  const RecurrentAttributes& attributes = attributes_of(only_node(graph));
  EXPECT_EQ(attributes.activations,
            (std::vector<std::string>{"sigmoid", "leaky_relu", "hard_sigmoid", "elu", "tanh",
                                      "scaled_tanh"}));
  EXPECT_EQ(attributes.alpha, (std::vector<double>{0, 0.5, 0.25, 1, 0, 1}));
  EXPECT_EQ(attributes.beta, (std::vector<double>{0, 0, 0.75, 0, 0, 1}));
}

TEST(RecurrentConverters, usual_functions_are_left_out) {
  const Graph spelled =
      import_bytes(layer("GRU", 7, {strings("activations", {"Sigmoid", "Tanh"})}));
  EXPECT_TRUE(attributes_of(only_node(spelled)).activations.empty());
  // The default of RNN has two functions, also for one direction.
  const Graph two = import_bytes(layer("RNN", 7, {strings("activations", {"Relu", "Tanh"})}));
  EXPECT_EQ(attributes_of(only_node(two)).activations, (std::vector<std::string>{"relu"}));
}

TEST(RecurrentConverters, refuse_functions_that_do_not_fit) {
  EXPECT_EQ(code_of(layer("RNN", 7, {strings("activations", {"Sine"})})), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(layer("LSTM", 7, {strings("activations", {"Tanh", "Tanh"})})),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code_of(layer("GRU", 7,
                          {wire::string_attribute("direction", "bidirectional"),
                           strings("activations", {"Sigmoid", "Tanh"})},
                          2)),
            ErrorCode::bad_attribute);
}

TEST(RecurrentConverters, any_output_may_be_absent) {
  for (const std::string& op : kLayers) {
    const std::size_t count = op == "LSTM" ? 3 : 2;
    for (std::size_t wanted = 0; wanted < count; ++wanted) {
      std::vector<std::string> outputs(wanted + 1);
      outputs.back() = "only";
      const Graph graph = import_bytes(layer(op, 7, {}, 1, outputs));
      const auto y = evaluate_graph(graph, {});
      EXPECT_EQ(y.front().tensor().shape(), wanted == 0 ? (Shape{2, 1, 1, 1}) : (Shape{1, 1, 1}));
    }
  }
}

}  // namespace
}  // namespace strop::onnx

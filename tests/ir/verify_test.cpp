// SPDX-License-Identifier: Apache-2.0
#include "ir/verify.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "ops/reshape.hpp"
#include "ops/softmax.hpp"

namespace strop {
namespace {

// Breaks a sound graph and returns what verify says. Nodes and values are const to everyone but
// patches; only a test that needs an illegal graph goes around that.
std::string complaint(const std::function<void(Graph&, Node&, Value&)>& damage) {
  Graph graph = parse_graph(
      R"(graph main(%x: f32[N,3]) -> (%z) {
        %y = softmax(%x) "first"
        %z = softmax(%y) "second"
      })",
      [](std::string_view name) { return find_op(name); });
  verify(graph);
  const NodeId second = graph.order()[1];
  const ValueId y = graph.node(second).inputs[0];
  damage(graph, const_cast<Node&>(graph.node(second)), const_cast<Value&>(graph.value(y)));
  try {
    verify(graph);
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

void expect_complaint(const std::string& what,
                      const std::function<void(Graph&, Node&, Value&)>& damage) {
  const std::string message = complaint(damage);
  EXPECT_NE(message.find(what), std::string::npos) << message;
}

TEST(Verify, accepts_a_sound_graph) {
  EXPECT_EQ(complaint([](Graph&, Node&, Value&) {}), "");
}

TEST(Verify, names_the_node_and_the_rule_it_breaks) {
  expect_complaint("node second", [](Graph&, Node& n, Value&) { n.inputs[0].index = 77; });
  expect_complaint("no value of the graph",
                   [](Graph&, Node& n, Value&) { n.inputs[0].index = 77; });
  expect_complaint("does not read it", [](Graph&, Node& n, Value&) { n.inputs[0].index = 0; });
  expect_complaint("nothing defines", [](Graph& g, Node&, Value& y) {
    const_cast<Node&>(g.node(y.producer)).alive = false;
  });
  expect_complaint("last input is absent",
                   [](Graph&, Node& n, Value&) { n.inputs.push_back(ValueId::none()); });
  expect_complaint("more inputs than its operator", [](Graph&, Node& n, Value& y) {
    n.inputs.push_back(n.inputs[0]);
    y.uses.push_back({y.uses[0].node, 1});
  });
  expect_complaint("has 1 nested graphs", [](Graph&, Node& n, Value&) {
    n.subgraphs.push_back(std::make_shared<const Graph>());
  });
  expect_complaint("attributes are of another operator",
                   [](Graph&, Node& n, Value&) { n.attributes = ReshapeAttributes{}; });
  expect_complaint("no operator", [](Graph&, Node& n, Value&) { n.op = nullptr; });
  expect_complaint("names another producer",
                   [](Graph&, Node& n, Value&) { n.outputs[0] = n.inputs[0]; });
  expect_complaint("names another producer", [](Graph&, Node&, Value& y) { y.output_index = 1; });
}

TEST(Verify, checks_the_lists_of_uses) {
  expect_complaint("missing from the lists of uses",
                   [](Graph&, Node&, Value& y) { y.uses.clear(); });
  expect_complaint("listed twice", [](Graph&, Node&, Value& y) { y.uses.push_back(y.uses[0]); });
  expect_complaint("is gone is listed", [](Graph&, Node&, Value& y) {
    y.uses.push_back({NodeId{40}, 0});
  });
}

TEST(Verify, checks_definitions_and_types_of_values) {
  expect_complaint("marked as an input but not listed",
                   [](Graph&, Node&, Value& y) { y.is_input = true; });
  expect_complaint("more than one definition",
                   [](Graph&, Node&, Value& y) { y.constant = Tensor::zeros(DType::f32, {1}); });
  expect_complaint("inference finds f32[N,3]", [](Graph&, Node&, Value& y) {
    y.type = Type::tensor(DType::f32, {Dim(2), Dim(3)});
  });
  expect_complaint("known contents", [](Graph&, Node&, Value& y) { y.elements.emplace(); });
  expect_complaint("takes", [](Graph& g, Node&, Value&) {
    const_cast<Value&>(g.value(g.inputs()[0])).type.dtype = DType::i32;
  });
}

TEST(Verify, checks_constants_against_their_types) {
  GraphBuilder builder;
  builder.add_output(builder.constant(Tensor::zeros(DType::f32, {2}), "c"), "c");
  Graph graph = builder.take();
  const_cast<Value&>(graph.value(graph.outputs()[0])).type = Type::tensor(DType::f32, {Dim(3)});
  EXPECT_THROW(verify(graph), Error);
}

}  // namespace
}  // namespace strop

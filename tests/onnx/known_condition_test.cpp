// SPDX-License-Identifier: Apache-2.0
// If whose condition is known when the model is imported.
#include <algorithm>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"
#include "ops/if_else.hpp"
#include "ops/run_op.hpp"

namespace strop::onnx {
namespace {

wire::Message branch(const char* name, std::vector<wire::Node> nodes,
                     const std::vector<const char*>& outputs) {
  wire::GraphParts parts;
  parts.nodes = std::move(nodes);
  for (const char* output : outputs) {
    parts.outputs.push_back(wire::value_info(output, wire::tensor_type_without_shape(0)));
  }
  return wire::graph_attribute(name, wire::graph(parts));
}

// y = rank of x == `rank` ? x + x : reshape of x to [7], which f32[2,3] has not the elements for.
wire::ModelParts by_rank(std::int64_t rank) {
  wire::ModelParts parts;
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {2, 3}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type_without_shape(wire::kFloat))};
  parts.graph.initializers = {wire::int64_tensor("wanted", {}, {rank}),
                              wire::int64_tensor("seven", {1}, {7})};
  parts.graph.nodes = {
      {"Shape", {"x"}, {"shape"}, {}, "", "", ""},
      {"Size", {"shape"}, {"rank"}, {}, "", "", ""},
      {"Equal", {"rank", "wanted"}, {"condition"}, {}, "", "", ""},
      {"If",
       {"condition"},
       {"y"},
       {branch("then_branch", {{"Add", {"x", "x"}, {"t"}, {}, "", "", ""}}, {"t"}),
        branch("else_branch", {{"Reshape", {"x", "seven"}, {"e"}, {}, "", "", ""}}, {"e"})},
       "decide",
       "",
       ""}};
  return parts;
}

bool has_if(const Graph& graph) {
  return std::ranges::any_of(graph.order(),
                             [&](NodeId id) { return graph.node(id).is(op_if_else()); });
}

TEST(If, becomes_the_branch_that_its_known_condition_takes) {
  const Graph graph = import_parts(by_rank(2));
  EXPECT_FALSE(has_if(graph));
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[2,3]");
  EXPECT_EQ(graph.output_name(0), "y");
  const Tensor x = ramp({2, 3});
  expect_near(evaluate_graph(graph, std::vector<Datum>{x})[0].tensor(), {2, 3},
              {0, 2, 4, 6, 8, 10});
  // The other branch is an error where it is taken.
  EXPECT_EQ(problems_of(wire::model(by_rank(3))).front().code, ErrorCode::bad_shape);
}

TEST(If, may_give_values_of_the_outside_or_one_value_twice) {
  wire::ModelParts parts;
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N"}))};
  for (const char* name : {"a", "b", "c"}) {
    parts.graph.outputs.push_back(
        wire::value_info(name, wire::tensor_type_without_shape(wire::kFloat)));
  }
  parts.graph.initializers = {wire::int64_tensor("zero", {}, {0})};
  const wire::Node negated{"Neg", {"x"}, {"n"}, {}, "", "", ""};
  const wire::Node wrapped{"Identity", {"x"}, {"i"}, {}, "", "", ""};
  parts.graph.nodes = {{"Equal", {"zero", "zero"}, {"always"}, {}, "", "", ""},
                       {"If",
                        {"always"},
                        {"a", "b", "c"},
                        {branch("then_branch", {negated, wrapped}, {"n", "n", "i"}),
                         branch("else_branch", {negated}, {"n"})},
                        "decide",
                        "",
                        ""}};
  const Graph graph = import_parts(parts);
  EXPECT_FALSE(has_if(graph));
  const auto out = evaluate_graph(graph, std::vector<Datum>{floats({2}, {1, -2})});
  expect_near(out[0].tensor(), {2}, {-1, 2});
  expect_near(out[1].tensor(), {2}, {-1, 2});
  expect_near(out[2].tensor(), {2}, {1, -2});

  parts.graph.nodes.back().outputs = {"a", "b"};
  parts.graph.outputs.pop_back();
  EXPECT_EQ(problems_of(wire::model(parts)).front().code, ErrorCode::model_malformed);
}

}  // namespace
}  // namespace strop::onnx

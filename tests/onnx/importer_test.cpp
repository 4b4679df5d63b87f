// SPDX-License-Identifier: Apache-2.0
// What models become: names, symbols, constants, order of nodes, functions, nested graphs.
#include "onnx/importer.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>

#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

using wire::kFloat;
using wire::Node;
using wire::Size;
using wire::tensor_type;
using wire::value_info;

Node softmax(const std::string& in, const std::string& out, const std::string& name = {}) {
  return {"Softmax", {in}, {out}, {}, name, "", ""};
}

std::string type_of_input(const Graph& graph, std::size_t i) {
  return graph.value(graph.inputs()[i]).type.to_string();
}

std::vector<std::string> node_names(const Graph& graph) {
  std::vector<std::string> out;
  for (const NodeId id : graph.order()) out.push_back(graph.node(id).name);
  return out;
}

TEST(Importer, keeps_names_of_values_and_nodes) {
  const Graph graph = import_parts(parts_of({softmax("x", "y", "the softmax")}));
  ASSERT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(graph.value(graph.inputs()[0]).name, "x");
  EXPECT_EQ(type_of_input(graph, 0), "f32[N,3]");
  ASSERT_EQ(graph.outputs().size(), 1u);
  EXPECT_EQ(graph.value(graph.outputs()[0]).name, "y");
  EXPECT_EQ(graph.output_name(0), "y");
  ASSERT_EQ(graph.node_count(), 1u);
  EXPECT_EQ(graph.node(graph.order()[0]).name, "the softmax");
  EXPECT_EQ(graph.node(graph.order()[0]).origins, std::vector<std::string>{"the softmax"});
  EXPECT_TRUE(graph.node(graph.order()[0]).is(op_softmax()));
}

TEST(Importer, names_nameless_nodes_after_operator_and_index) {
  const Graph graph = import_parts(parts_of({softmax("x", "a"), softmax("a", "y")}));
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"Softmax_0", "Softmax_1"}));
}

TEST(Importer, same_dim_param_is_the_same_symbol_and_open_sizes_are_their_own) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.inputs = {
      value_info("x", tensor_type(kFloat, {"N", "?", -1, 0, ""})),
      value_info("z", tensor_type(kFloat, {"N", "?", "a-b", "a_b", 7})),
      value_info("u", wire::tensor_type_without_shape(kFloat)),
  };
  parts.graph.outputs = {value_info("y", wire::tensor_type_without_shape(kFloat))};
  const Graph graph = import_parts(parts);
  EXPECT_EQ(type_of_input(graph, 0), "f32[N,x.1,x.2,x.3,x.4]");
  EXPECT_EQ(type_of_input(graph, 1), "f32[N,z.1,a_b,a_b_2,7]");
  EXPECT_EQ(type_of_input(graph, 2), "f32[*]");
}

TEST(Importer, symbols_made_up_do_not_meet_names_of_the_model) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.inputs = {value_info("x", tensor_type(kFloat, {"?", 3})),
                        value_info("z", tensor_type(kFloat, {"x.0", "#0.1"}))};
  parts.graph.outputs = {value_info("y", wire::tensor_type_without_shape(kFloat))};
  const Graph graph = import_parts(parts);
  EXPECT_EQ(type_of_input(graph, 0), "f32[x.0_2,3]");
  EXPECT_EQ(type_of_input(graph, 1), "f32[x.0,_0.1]");
}

TEST(Importer, reads_every_kind_of_type) {
  const wire::Message tensor = tensor_type(wire::kInt64, {2});
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  const auto of = [](std::uint32_t field, const wire::Message& element) {
    return wire::Message().message(field, wire::Message().message(1, element));
  };
  parts.graph.inputs.push_back(value_info("s", of(4, tensor)));
  parts.graph.inputs.push_back(value_info("o", of(9, of(4, tensor))));
  parts.graph.inputs.push_back(value_info(
      "m",
      wire::Message().message(5, wire::Message().number(1, wire::kString).message(2, tensor))));
  const Graph graph = import_parts(parts);
  EXPECT_EQ(type_of_input(graph, 1), "seq(i64[2])");
  EXPECT_EQ(type_of_input(graph, 2), "opt(seq(i64[2]))");
  EXPECT_EQ(type_of_input(graph, 3), "map(string,i64[2])");
}

TEST(Importer, initializer_that_is_also_an_input_is_a_constant) {
  wire::ModelParts parts = parts_of({softmax("w", "y")});
  parts.graph.inputs.push_back(value_info("w", tensor_type(kFloat, {1, 3})));
  parts.graph.initializers = {wire::float_tensor("w", {1, 3}, {1, 2, 3})};
  const Graph graph = import_parts(parts);
  ASSERT_EQ(graph.inputs().size(), 1u);
  const Value& w = graph.value(graph.node(graph.order()[0]).inputs[0]);
  EXPECT_EQ(w.name, "w");
  ASSERT_TRUE(w.is_constant());
  EXPECT_EQ(w.constant.values<float>()[2], 3.0f);
}

TEST(Importer, weights_lie_in_the_file_where_they_are_aligned) {
  for (std::size_t padding = 0; padding < 4; ++padding) {
    wire::ModelParts parts = parts_of({softmax("w", "y")});
    parts.graph.name = std::string(padding, 'p');
    parts.graph.initializers = {wire::float_tensor("w", {1, 3}, {1, 2, 3})};
    const auto owner = std::make_shared<const std::string>(wire::model(parts));
    const Graph graph = import_model(wire::as_bytes(*owner), owner);
    const Value& w = graph.value(graph.node(graph.order()[0]).inputs[0]);
    const auto* data = reinterpret_cast<const char*>(w.constant.data());
    const float first = 1.0f;
    const std::size_t at =
        owner->find(std::string(reinterpret_cast<const char*>(&first), sizeof first));
    const bool aligned = reinterpret_cast<std::uintptr_t>(owner->data() + at) % 4 == 0;
    const bool inside = data >= owner->data() && data < owner->data() + owner->size();
    EXPECT_EQ(inside, aligned) << "padding " << padding;
    EXPECT_EQ(w.constant.values<float>()[2], 3.0f);
  }
}

TEST(Importer, keeps_the_file_alive_as_long_as_its_weights) {
  wire::ModelParts parts = parts_of({softmax("w", "y")});
  parts.graph.initializers = {wire::float_tensor("w", {1, 3}, {1, 2, 3})};
  const Graph graph = import_parts(parts);  // the bytes are gone but for the graph
  const Value& w = graph.value(graph.node(graph.order()[0]).inputs[0]);
  EXPECT_EQ(w.constant.values<float>()[0], 1.0f);
}

TEST(Importer, sorts_nodes_that_are_out_of_order) {
  const Graph graph = import_parts(parts_of(
      {softmax("b", "y", "third"), softmax("x", "a", "first"), softmax("a", "b", "second")}));
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"first", "second", "third"}));
}

TEST(Importer, both_names_of_the_standard_domain_are_the_same) {
  wire::ModelParts parts = parts_of({{"Softmax", {"x"}, {"y"}, {}, "", "ai.onnx", ""}});
  EXPECT_EQ(import_parts(parts).node_count(), 1u);
  parts.graph.nodes[0].domain = "";
  parts.opsets = {{"ai.onnx", 17}};
  EXPECT_EQ(import_parts(parts).node_count(), 1u);
}

TEST(Importer, reads_opsets_1_to_28_and_takes_the_meaning_of_each) {
  for (std::int64_t opset = 1; opset <= 28; ++opset) {
    wire::ModelParts parts = parts_of({softmax("x", "y")});
    parts.graph.inputs = {value_info("x", tensor_type(kFloat, {2, 3, 4}))};
    parts.graph.outputs = {value_info("y", tensor_type(kFloat, {2, 3, 4}))};
    parts.opsets = {{"", opset}};
    // Before opset 13 the input is flattened: reshape, softmax, shape, reshape.
    EXPECT_EQ(import_parts(parts).node_count(), opset < 13 ? 4u : 1u) << "opset " << opset;
  }
}

TEST(Importer, models_older_than_opset_imports_are_read) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.opsets = {};
  parts.ir_version = 2;
  EXPECT_EQ(import_parts(parts).node_count(), 1u);
}

TEST(Importer, requested_outputs_cut_the_graph) {
  wire::ModelParts parts =
      parts_of({softmax("x", "a"), {"NoSuchOperator", {"a"}, {"y"}, {}, "", "", ""}});
  ImportOptions options;
  options.outputs = {"a"};
  const Graph graph = import_parts(parts, options);
  EXPECT_EQ(graph.node_count(), 1u);
  EXPECT_EQ(graph.output_name(0), "a");
  options.outputs = {"nothing"};
  const auto problems = problems_of(wire::model(parts), options);
  EXPECT_EQ(problems[0].code, ErrorCode::unknown_name);
}

TEST(Importer, unknown_fields_are_skipped) {
  const std::string bytes = wire::model(parts_of({softmax("x", "y")})) +
                            wire::Message().number(999, 7).bytes(998, "later").data;
  EXPECT_EQ(import_bytes(bytes).node_count(), 1u);
}

TEST(ImporterFunctions, are_expanded_where_they_are_called) {
  wire::ModelParts parts = parts_of({{"Twice", {"x"}, {"y"}, {}, "call", "mine", ""}});
  parts.opsets.emplace_back("mine", 1);
  wire::FunctionParts function;
  function.domain = "mine";
  function.name = "Twice";
  function.inputs = {"in"};
  function.outputs = {"out"};
  function.nodes = {softmax("in", "middle", "a"), softmax("middle", "out", "b")};
  parts.functions = {function};
  const Graph graph = import_parts(parts);
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"call/a", "call/b"}));
  EXPECT_EQ(graph.value(graph.outputs()[0]).name, "y");
  EXPECT_EQ(graph.value(graph.node(graph.order()[0]).outputs[0]).name, "call/middle");
}

TEST(ImporterFunctions, use_their_own_opsets) {
  wire::ModelParts parts = parts_of({{"Old", {"x"}, {"y"}, {}, "", "mine", ""}});
  parts.graph.inputs = {value_info("x", tensor_type(kFloat, {2, 3, 4}))};
  parts.graph.outputs = {value_info("y", tensor_type(kFloat, {2, 3, 4}))};
  wire::FunctionParts function;
  function.domain = "mine";
  function.name = "Old";
  function.inputs = {"in"};
  function.outputs = {"out"};
  function.nodes = {softmax("in", "out")};
  function.opsets = {{"", 11}};
  parts.functions = {function};
  EXPECT_EQ(import_parts(parts).node_count(), 4u);
}

// f(in; axis) = Softmax<axis = @axis>(in), called by g(in; which) = f<axis = @which>(in).
wire::ModelParts function_with_attribute(std::vector<wire::Message> given, bool with_default) {
  wire::ModelParts parts = parts_of({{"Outer", {"x"}, {"y"}, std::move(given), "", "mine", ""}});
  wire::FunctionParts inner;
  inner.domain = "mine";
  inner.name = "Inner";
  inner.inputs = {"in"};
  inner.outputs = {"out"};
  inner.nodes = {softmax("in", "out")};
  inner.nodes[0].attributes = {wire::reference_attribute("axis", "axis", 2)};
  if (with_default) {
    inner.attributes_with_default = {wire::int_attribute("axis", 0)};
  } else {
    inner.attributes = {"axis"};
  }
  wire::FunctionParts outer = inner;
  outer.name = "Outer";
  outer.nodes = {
      {"Inner", {"in"}, {"out"}, {wire::reference_attribute("axis", "which", 2)}, "", "mine", ""}};
  outer.attributes = {"which"};
  outer.attributes_with_default = {};
  parts.functions = {outer, inner};
  return parts;
}

std::int64_t softmax_axis(const wire::ModelParts& parts) {
  const Graph graph = import_parts(parts);
  return graph.node(graph.order()[0]).as<SoftmaxAttributes>().axis;
}

TEST(ImporterFunctions, attributes_are_handed_down_through_calls) {
  EXPECT_EQ(softmax_axis(function_with_attribute({wire::int_attribute("which", 0)}, false)), 0);
}

TEST(ImporterFunctions, attribute_that_nobody_gives_is_absent) {
  EXPECT_EQ(softmax_axis(function_with_attribute({}, false)), 1);
}

TEST(ImporterFunctions, attribute_that_nobody_gives_has_its_default) {
  EXPECT_EQ(softmax_axis(function_with_attribute({}, true)), 0);
}

TEST(ImporterFunctions, overloads_are_told_apart) {
  wire::ModelParts parts = parts_of({{"F", {"x"}, {"y"}, {}, "", "mine", "two"}});
  wire::FunctionParts one;
  one.domain = "mine";
  one.name = "F";
  one.inputs = {"in"};
  one.outputs = {"out"};
  one.nodes = {softmax("in", "out")};
  one.overload = "one";
  wire::FunctionParts two = one;
  two.nodes = {softmax("in", "a"), softmax("a", "out")};
  two.overload = "two";
  parts.functions = {one, two};
  EXPECT_EQ(import_parts(parts).node_count(), 2u);
}

TEST(ImporterFunctions, input_that_the_caller_leaves_out_is_absent_inside) {
  wire::ModelParts parts = parts_of({{"F", {}, {"y"}, {}, "", "mine", ""}});
  wire::FunctionParts function;
  function.domain = "mine";
  function.name = "F";
  function.inputs = {"in"};
  function.outputs = {"out"};
  function.nodes = {{"Either",
                     {"in"},
                     {"out"},
                     {wire::tensor_attribute("value", wire::float_tensor("", {1, 3}, {1, 2, 3}))},
                     "",
                     "test",
                     ""}};
  parts.functions = {function};
  const Graph graph = import_parts(parts);
  EXPECT_TRUE(graph.value(graph.outputs()[0]).is_constant());
}

TEST(ImporterNested, captured_values_become_inputs_and_constants_stay_constants) {
  wire::GraphParts body;
  body.inputs = {value_info("formal", wire::tensor_type_without_shape(kFloat))};
  body.nodes = {softmax("outside", "from_outside"), softmax("formal", "from_formal"),
                softmax("w", "from_constant")};
  body.outputs = {value_info("from_outside", {}), value_info("from_formal", {}),
                  value_info("from_constant", {})};
  wire::ModelParts parts = parts_of({softmax("x", "outside"),
                                     {"Nest",
                                      {"x"},
                                      {"y", "y1", "y2"},
                                      {wire::graph_attribute("body", wire::graph(body))},
                                      "nest",
                                      "test",
                                      ""}});
  parts.graph.initializers = {wire::float_tensor("w", {1, 3}, {1, 2, 3})};
  const Graph graph = import_parts(parts);
  const auto& nest = graph.node(graph.order()[1]);
  ASSERT_EQ(nest.inputs.size(), 2u);
  EXPECT_EQ(graph.value(nest.inputs[0]).name, "x");
  EXPECT_EQ(graph.value(nest.inputs[1]).name, "outside");
  const Graph& inside = *nest.subgraphs[0];
  ASSERT_EQ(inside.inputs().size(), 2u);
  EXPECT_EQ(inside.value(inside.inputs()[0]).name, "formal");
  EXPECT_EQ(inside.value(inside.inputs()[0]).type.to_string(), "f32[N,3]");
  EXPECT_EQ(inside.value(inside.inputs()[1]).name, "outside");
  EXPECT_NE(inside.scope(), graph.scope());
  EXPECT_EQ(node_names(inside),
            (std::vector<std::string>{"nest/body/Softmax_0", "nest/body/Softmax_1",
                                      "nest/body/Softmax_2"}));
  const auto& third = inside.node(inside.order()[2]);
  EXPECT_TRUE(inside.value(third.inputs[0]).is_constant());
}

TEST(ImporterNested, graphs_of_one_node_get_the_same_captures_in_the_same_order) {
  wire::GraphParts body;
  body.inputs = {value_info("formal", wire::tensor_type_without_shape(kFloat))};
  body.nodes = {softmax("b", "out")};
  body.outputs = {value_info("out", {})};
  wire::GraphParts other = body;
  other.nodes = {softmax("a", "out")};
  const Graph graph = import_parts(parts_of({softmax("x", "a"),
                                             softmax("x", "b"),
                                             {"Nest",
                                              {"x"},
                                              {"y"},
                                              {wire::graph_attribute("body", wire::graph(body)),
                                               wire::graph_attribute("other", wire::graph(other))},
                                              "",
                                              "test",
                                              ""}}));
  const auto& nest = graph.node(graph.order()[2]);
  ASSERT_EQ(nest.inputs.size(), 3u);
  EXPECT_EQ(graph.value(nest.inputs[1]).name, "b");
  EXPECT_EQ(graph.value(nest.inputs[2]).name, "a");
  const Graph& inside = *nest.subgraphs[0];
  ASSERT_EQ(inside.inputs().size(), 3u);
  EXPECT_EQ(inside.value(inside.inputs()[1]).name, "b");
  EXPECT_EQ(inside.value(inside.inputs()[2]).name, "a");
}

TEST(ImporterNested, size_made_of_unknown_ones_is_a_symbol_of_the_nested_graph) {
  wire::GraphParts body;
  body.nodes = {softmax("floats", "out")};
  body.outputs = {value_info("out", {})};
  const Graph graph = import_parts(parts_of(
      {{"NonZero", {"x"}, {"where"}, {}, "", "", ""},
       {"Concat", {"where", "where"}, {"twice"}, {wire::int_attribute("axis", 1)}, "", "", ""},
       {"Cast", {"twice"}, {"floats"}, {wire::int_attribute("to", kFloat)}, "", "", ""},
       {"Nest", {}, {"y"}, {wire::graph_attribute("body", wire::graph(body))}, "", "test", ""}}));
  const Graph& inside = *graph.node(graph.order()[3]).subgraphs[0];
  const SymShape& shape = *inside.value(inside.inputs()[0]).type.shape;
  EXPECT_EQ(shape[0], Dim(2));
  EXPECT_TRUE(shape[1].is_symbol()) << shape[1].to_string();
}

TEST(ImporterNested, values_are_captured_through_two_levels) {
  wire::GraphParts inner;
  inner.nodes = {softmax("far", "inner_out")};
  inner.outputs = {value_info("inner_out", {})};
  wire::GraphParts outer;
  outer.nodes = {{"Nest",
                  {},
                  {"outer_out"},
                  {wire::graph_attribute("body", wire::graph(inner))},
                  "",
                  "test",
                  ""}};
  outer.outputs = {value_info("outer_out", {})};
  // The node that defines what is captured comes last: captures count for the order too.
  const Graph graph = import_parts(parts_of(
      {{"Nest", {}, {"y"}, {wire::graph_attribute("body", wire::graph(outer))}, "", "test", ""},
       softmax("x", "far")}));
  const auto& nest = graph.node(graph.order()[1]);
  ASSERT_EQ(nest.inputs.size(), 1u);
  EXPECT_EQ(graph.value(nest.inputs[0]).name, "far");
  EXPECT_EQ(graph.value(graph.outputs()[0]).type.to_string(), "f32[N,3]");
}

TEST(Importer, is_linear_in_nodes) {
  const auto seconds = [](std::size_t count) {
    std::vector<Node> nodes;
    std::string last = "x";
    for (std::size_t i = 0; i < count; ++i) {
      const std::string next = i + 1 == count ? "y" : "v" + std::to_string(i);
      nodes.push_back(softmax(last, next));
      last = next;
    }
    const std::string bytes = wire::model(parts_of(std::move(nodes)));
    const std::clock_t begin = std::clock();
    EXPECT_EQ(import_bytes(bytes).node_count(), count);
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  EXPECT_LT(seconds(12'000), 1.0);
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Refused operators come with the command that builds the part of the model before them, and the
// model is imported up to there.
#include "onnx/cut_advice.hpp"

#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

using wire::Node;
using Names = std::vector<std::string>;

Node relu(const std::string& in, const std::string& out) {
  return {"Relu", {in}, {out}, {}, "", "", ""};
}
Node strange(const Names& in, const std::string& out) {
  return {"Strange", in, {out}, {}, "", "mine", ""};
}

// The names of the command's --outputs; empty without one.
Names suggested(const wire::ModelParts& parts) {
  const auto problems = problems_of(wire::model(parts));
  Names out;
  for (const Diagnostic& problem : problems) {
    const std::string begin = "strop build MODEL --outputs=";
    std::size_t at = problem.hint.find(begin);
    if (at == std::string::npos) continue;
    EXPECT_TRUE(out.empty()) << "it is said once";
    at += begin.size();
    const std::string list = problem.hint.substr(at, problem.hint.find(' ', at) - at);
    for (std::size_t from = 0; from <= list.size();) {
      const std::size_t end = std::min(list.find(',', from), list.size());
      out.push_back(list.substr(from, end - from));
      from = end + 1;
    }
    EXPECT_NE(problem.hint.find(" -o model.strop"), std::string::npos);
  }
  return out;
}

ImportOptions ending_at(const Names& names) {
  ImportOptions options;
  options.outputs = names;
  return options;
}

// The model is imported with these outputs alone.
void expect_cut(const wire::ModelParts& parts, const Names& names) {
  EXPECT_EQ(suggested(parts), names);
  const Graph graph = import_parts(parts, ending_at(names));
  ASSERT_EQ(graph.outputs().size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(graph.output_name(i), names[i]);
}

TEST(CutAdvice, names_what_the_refused_node_reads) {
  wire::ModelParts parts = parts_of(
      {relu("x", "a"), relu("a", "b"), strange({"a", "b", "x", "w"}, "c"), relu("c", "y")});
  parts.graph.initializers = {wire::float_tensor("w", {1}, {1})};
  expect_cut(parts, {"a", "b"});
}

TEST(CutAdvice, covers_all_refused_nodes_and_keeps_outputs_that_need_none) {
  wire::ModelParts parts = parts_of({relu("x", "a"),
                                     strange({"a"}, "b"),
                                     relu("x", "c"),
                                     strange({"b", "c"}, "y"),
                                     {"Softmix", {"c"}, {"d"}, {}, "", "", ""},
                                     relu("c", "z")});
  parts.graph.outputs.push_back(
      wire::value_info("z", wire::tensor_type_without_shape(wire::kFloat)));
  expect_cut(parts, {"a", "c", "z"});
}

TEST(CutAdvice, leads_out_of_nested_graphs_and_functions) {
  wire::GraphParts body;
  body.nodes = {strange({"a"}, "out")};
  body.outputs = {wire::value_info("out", {})};
  expect_cut(parts_of({relu("x", "a"),
                       {"Nest",
                        {},
                        {"y"},
                        {wire::graph_attribute("body", wire::graph(body))},
                        "nest",
                        "test",
                        ""}}),
             {"a"});
  wire::ModelParts called = parts_of({relu("x", "a"), {"F", {"a"}, {"y"}, {}, "call", "mine", ""}});
  wire::FunctionParts function;
  function.domain = "mine";
  function.name = "F";
  function.inputs = {"in"};
  function.outputs = {"out"};
  function.nodes = {relu("in", "t"), strange({"t"}, "out")};
  called.functions = {function};
  expect_cut(called, {"a"});
}

TEST(CutAdvice, says_that_nothing_is_left) {
  const auto problems = problems_of(wire::model(parts_of({strange({"x"}, "y")})));
  EXPECT_NE(problems[0].hint.find("nothing is computed before it"), std::string::npos);
}

TEST(CutAdvice, is_not_given_where_it_would_not_help) {
  wire::ModelParts parts = parts_of({relu("x", "a"), strange({"a"}, "y")});
  parts.opsets = {{"", 99}};
  EXPECT_EQ(suggested(parts), Names{});
  // An attribute that is wrong is corrected, not cut off.
  parts = parts_of(
      {relu("x", "a"), {"Softmax", {"a"}, {"y"}, {wire::int_attribute("axis", 7)}, "", "", ""}});
  EXPECT_EQ(suggested(parts), Names{});
}

TEST(CutAdvice, what_lies_behind_the_cut_is_not_looked_at) {
  wire::ModelParts parts = parts_of({relu("x", "a"), strange({"a", "w"}, "y")});
  parts.graph.initializers = {wire::float_tensor("w", {3}, {1})};  // shorter than its shape
  parts.graph.inputs.push_back(wire::value_info("w", wire::tensor_type(wire::kFloat, {3})));
  const Graph graph = import_parts(parts, ending_at({"a"}));
  EXPECT_EQ(graph.inputs().size(), 1u);
}

TEST(CutAdvice, is_written_for_a_shell) {
  EXPECT_NE(cut_advice("my model.onnx", {}, {"a b", "it's"})
                .find("strop build 'my model.onnx' '--outputs=a b,it'\\''s' -o"),
            std::string::npos);
  ImportOptions options;
  options.external_data_root = "/w";
  EXPECT_NE(cut_advice("m", options, {"a", "b\nc", "d,e"})
                .find("--outputs=a --external-data-root /w -o model.strop (and 2 tensors"),
            std::string::npos);
  EXPECT_EQ(cut_advice("m", {}, {"d,e"}).find("strop build"), std::string::npos);
}

}  // namespace
}  // namespace strop::onnx

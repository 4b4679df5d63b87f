// SPDX-License-Identifier: Apache-2.0
// Models that are refused: each with its code, and a message that names node and operator.
#include <algorithm>

#include "onnx/import_fixture.hpp"
#include "onnx/problem_list.hpp"
#include "support/temporary_folder.hpp"

namespace strop::onnx {
namespace {

using wire::kFloat;
using wire::Node;
using wire::tensor_type;
using wire::value_info;

Node softmax(const std::string& in, const std::string& out, const std::string& name = {}) {
  return {"Softmax", {in}, {out}, {}, name, "", ""};
}

// The model has this one problem, at this node of this operator.
void expect_problem(const wire::ModelParts& parts, ErrorCode code, const std::string& node,
                    const std::string& op, const std::string& text,
                    const ImportOptions& options = {}) {
  const auto problems = problems_of(wire::model(parts), options);
  ASSERT_EQ(problems.size(), 1u) << Error(problems).message();
  const Diagnostic& problem = problems[0];
  EXPECT_EQ(error_code_text(problem.code), error_code_text(code)) << problem.text();
  EXPECT_EQ(problem.node, node);
  EXPECT_EQ(problem.op, op);
  EXPECT_NE(problem.text().find(text), std::string::npos) << problem.text();
}

ErrorCode code_of(const std::string& bytes) { return problems_of(bytes)[0].code; }

TEST(ImporterFiles, missing_file) {
  try {
    import_model("/nonexistent/model.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::file_not_found);
    EXPECT_NE(error.message().find("/nonexistent/model.onnx"), std::string::npos);
  }
}

TEST(ImporterFiles, empty_file) {
  const strop::testing::TemporaryFolder folder;
  try {
    import_model(folder.file("empty.onnx", ""));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_onnx);
    EXPECT_NE(error.message().find("empty"), std::string::npos);
  }
}

TEST(ImporterFiles, directory) {
  const strop::testing::TemporaryFolder folder;
  try {
    import_model(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::file_unreadable);
  }
}

TEST(ImporterFiles, larger_than_the_limit) {
  const strop::testing::TemporaryFolder folder;
  ImportOptions options;
  options.limits.file_bytes = 10;
  try {
    import_model(folder.file("m.onnx", wire::model(parts_of({softmax("x", "y")}))), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST(ImporterFiles, not_onnx) {
  for (const std::string bytes : {"hello, this is text", "<html><body>404</body></html>",
                                  "\x89PNG\r\n\x1a\n", "{\"graph\": 1}", "\xff\xff\xff\xff"}) {
    EXPECT_EQ(code_of(bytes), ErrorCode::not_onnx) << bytes;
  }
  EXPECT_EQ(code_of(std::string(64, '\0')), ErrorCode::not_onnx);
}

TEST(ImporterFiles, pointer_of_git_lfs_says_so) {
  const auto problems =
      problems_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_EQ(problems[0].code, ErrorCode::not_onnx);
  EXPECT_NE(problems[0].hint.find("git lfs pull"), std::string::npos);
}

TEST(ImporterFiles, no_graph) {
  EXPECT_EQ(code_of(wire::Message().number(1, 8).data), ErrorCode::not_onnx);
}

TEST(ImporterFiles, value_of_test_data_is_no_model) {
  EXPECT_EQ(code_of(wire::float_tensor("w", {3}, {1, 2, 3}).data), ErrorCode::not_onnx);
}

TEST(ImporterFiles, damage_inside_is_not_called_a_truncation) {
  // A graph whose node claims more bytes than the graph has.
  const std::string bytes = wire::Message()
                                .number(1, 8)
                                .bytes(7,
                                       "\x0a\x7f"
                                       "abc")
                                .data;
  EXPECT_EQ(code_of(bytes), ErrorCode::model_malformed);
}

TEST(ImporterFiles, truncation_at_every_byte_is_refused_or_a_valid_model) {
  wire::ModelParts parts =
      parts_of({softmax("x", "a", "first"),
                {"Softmax", {"w"}, {"y"}, {wire::int_attribute("axis", 1)}, "s", "", ""}});
  parts.graph.initializers = {wire::float_tensor("w", {1, 3}, {1, 2, 3})};
  const std::string whole = wire::model(parts);
  int accepted = 0;
  int truncated = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    try {
      import_bytes(whole.substr(0, length));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << error.message();
      if (error.code() == ErrorCode::model_truncated) ++truncated;
    }
  }
  EXPECT_EQ(accepted, 0);
  EXPECT_GT(truncated, static_cast<int>(whole.size()) * 8 / 10);
}

TEST(ImporterFiles, real_model_truncated_anywhere_is_refused_or_valid) {
  const std::string path = std::string(STROP_TEST_DATA) + "/models/mnist.onnx";
  std::ifstream file(path, std::ios::binary);
  if (!file) GTEST_SKIP() << "no " << path;
  const std::string whole{std::istreambuf_iterator<char>(file), {}};
  const std::size_t step = std::max<std::size_t>(1, whole.size() / 211);
  int refused = 0;
  for (std::size_t length = 0; length < whole.size(); length += step) {
    try {
      import_bytes(whole.substr(0, length));
    } catch (const Error& error) {
      ++refused;
      EXPECT_NE(error.code(), ErrorCode::internal) << error.message();
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(ImporterProblems, unknown_operator) {
  expect_problem(parts_of({{"Softmix", {"x"}, {"y"}, {}, "here", "", ""}}),
                 ErrorCode::unknown_operator, "here", "Softmix", "Softmix");
}

TEST(ImporterProblems, operator_of_a_newer_opset) {
  wire::ModelParts parts = parts_of({{"Gelu", {"x"}, {"y"}, {}, "here", "", ""}});
  expect_problem(parts, ErrorCode::unknown_operator, "here", "Gelu", "came with opset 20");
}

TEST(ImporterProblems, operator_of_the_standard_without_support) {
  static const ConverterTable empty;
  ImportOptions options;
  options.converters = &empty;
  expect_problem(parts_of({softmax("x", "y", "here")}), ErrorCode::unsupported_operator, "here",
                 "Softmax", "Softmax", options);
}

TEST(ImporterProblems, operator_of_pytorch) {
  const wire::Message which = wire::string_attribute("operator", "fft_everything");
  expect_problem(parts_of({{"ATen", {"x"}, {"y"}, {which}, "here", "org.pytorch.aten", ""}}),
                 ErrorCode::unsupported_operator, "here", "ATen", "aten::fft_everything");
  expect_problem(parts_of({{"ATen", {"x"}, {"y"}, {which}, "here", "", ""}}),
                 ErrorCode::unsupported_operator, "here", "ATen", "ONNX_ATEN_FALLBACK");
}

TEST(ImporterProblems, operator_of_onnx_runtime) {
  expect_problem(parts_of({{"NoSuchThing", {"x"}, {"y"}, {}, "here", "com.microsoft", ""}}),
                 ErrorCode::unsupported_operator, "here", "NoSuchThing", "ONNX Runtime");
}

TEST(ImporterProblems, operator_of_a_domain_of_its_own) {
  expect_problem(parts_of({{"Mine", {"x"}, {"y"}, {}, "here", "com.example", ""}}),
                 ErrorCode::unsupported_operator, "here", "Mine", "com.example");
}

TEST(ImporterProblems, opset_too_new) {
  wire::ModelParts parts = parts_of({softmax("x", "y"), softmax("x", "z")});
  parts.opsets = {{"", 29}};
  expect_problem(parts, ErrorCode::unsupported_opset, "", "", "29");
}

TEST(ImporterProblems, opset_below_one) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  for (const std::int64_t opset : {std::int64_t{0}, std::int64_t{-5}}) {
    parts.opsets = {{"", opset}};
    expect_problem(parts, ErrorCode::unsupported_opset, "", "", "opsets begin at 1");
  }
}

TEST(ImporterProblems, opset_missing) {
  wire::ModelParts parts = parts_of({softmax("x", "a", "here"), softmax("a", "y")});
  parts.opsets = {{"ai.onnx.ml", 3}};
  expect_problem(parts, ErrorCode::unsupported_opset, "here", "Softmax", "no opset is imported");
}

TEST(ImporterProblems, two_opsets_of_one_domain) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.opsets = {{"", 17}, {"ai.onnx", 13}};
  expect_problem(parts, ErrorCode::model_malformed, "", "", "two opsets");
}

TEST(ImporterProblems, value_that_nothing_defines) {
  expect_problem(parts_of({softmax("nowhere", "y", "here")}), ErrorCode::model_malformed, "here",
                 "Softmax", "nowhere");
}

TEST(ImporterProblems, value_defined_twice) {
  expect_problem(parts_of({softmax("x", "y", "first"), softmax("x", "y", "second")}),
                 ErrorCode::model_malformed, "second", "Softmax", "name of another value");
  expect_problem(parts_of({softmax("x", "y"), softmax("x", "x", "second")}),
                 ErrorCode::model_malformed, "second", "Softmax", "");
}

TEST(ImporterProblems, initializer_defined_twice) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.initializers = {wire::float_tensor("w", {1}, {1}), wire::float_tensor("w", {1}, {1})};
  expect_problem(parts, ErrorCode::model_malformed, "", "", "\"w\" is there twice");
}

TEST(ImporterProblems, inputs_and_outputs_defined_twice) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.inputs.push_back(parts.graph.inputs[0]);
  expect_problem(parts, ErrorCode::model_malformed, "", "", "input \"x\" is there twice");
  parts = parts_of({softmax("x", "y")});
  parts.graph.outputs.push_back(parts.graph.outputs[0]);
  expect_problem(parts, ErrorCode::model_malformed, "", "", "output \"y\" is there twice");
}

TEST(ImporterProblems, input_without_a_type) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.inputs = {wire::Message().bytes(1, "x")};
  expect_problem(parts, ErrorCode::bad_type, "", "", "\"x\"");
  parts.graph.inputs = {value_info("x", tensor_type(99, {1}))};
  expect_problem(parts, ErrorCode::bad_type, "", "", "99");
  parts.graph.inputs = {value_info("x", wire::Message().message(8, wire::Message().number(1, 1)))};
  expect_problem(parts, ErrorCode::bad_type, "", "", "sparse");
  parts.graph.inputs = {value_info("x", wire::Message().message(7, {}))};
  expect_problem(parts, ErrorCode::bad_type, "", "", "opaque");
}

TEST(ImporterProblems, cycle_names_its_nodes) {
  const auto problems = problems_of(wire::model(
      parts_of({softmax("c", "a", "one"), softmax("a", "b", "two"), softmax("b", "c", "three"),
                softmax("c", "y", "after"), softmax("x", "z", "before")})));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].code, ErrorCode::model_malformed);
  EXPECT_EQ(problems[0].what, "the graph has a cycle");
  for (const std::string name : {"one", "two", "three"}) {
    EXPECT_NE(problems[0].why.find(name), std::string::npos) << problems[0].why;
  }
  EXPECT_EQ(problems[0].why.find("after"), std::string::npos);
}

TEST(ImporterProblems, node_that_reads_itself_is_a_cycle) {
  expect_problem(parts_of({softmax("y", "y", "self")}), ErrorCode::model_malformed, "self",
                 "Softmax", "cycle");
}

TEST(ImporterProblems, no_outputs) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.outputs = {};
  expect_problem(parts, ErrorCode::model_malformed, "", "", "no outputs");
}

TEST(ImporterProblems, output_without_a_value) {
  wire::ModelParts parts = parts_of({softmax("x", "z")});
  expect_problem(parts, ErrorCode::model_malformed, "", "", "\"y\"");
}

TEST(ImporterProblems, attribute_of_the_wrong_type) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::float_attribute("axis", 1)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax",
                 "\"axis\" must be int, but is float");
}

TEST(ImporterProblems, attribute_without_a_value) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::Message().bytes(1, "axis")};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax", "without a value");
}

TEST(ImporterProblems, attribute_with_an_unknown_type_number) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::Message().bytes(1, "axis").number(20, 77)};
  EXPECT_EQ(code_of(wire::model(parts)), ErrorCode::bad_attribute);
}

TEST(ImporterProblems, attribute_that_means_nothing) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::int_attribute("axes", 1)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax", "\"axes\" means nothing");
}

TEST(ImporterProblems, attribute_given_twice) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::int_attribute("axis", 1),
                                     wire::int_attribute("axis", 0)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax", "more than once");
}

TEST(ImporterProblems, attribute_reference_outside_of_functions) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::reference_attribute("axis", "which", 2)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax", "in no function");
}

TEST(ImporterProblems, attribute_out_of_range) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.nodes[0].attributes = {wire::int_attribute("axis", 2)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "Softmax", "[-2, 1]");
}

TEST(ImporterProblems, element_type_that_the_operator_does_not_take) {
  wire::ModelParts parts = parts_of({softmax("x", "y", "here")});
  parts.graph.inputs = {value_info("x", tensor_type(wire::kInt64, {"N", 3}))};
  expect_problem(parts, ErrorCode::bad_type, "here", "Softmax", "i64");
}

TEST(ImporterProblems, missing_input_of_an_operator) {
  expect_problem(parts_of({{"Softmax", {}, {"y"}, {}, "here", "", ""}}), ErrorCode::model_malformed,
                 "here", "Softmax", "input 0 is missing");
  expect_problem(parts_of({{"Softmax", {""}, {"y"}, {}, "here", "", ""}}),
                 ErrorCode::model_malformed, "here", "Softmax", "input 0 is missing");
}

TEST(ImporterProblems, output_that_the_operator_does_not_have) {
  wire::ModelParts parts = parts_of({{"Softmax", {"x"}, {"a", "y"}, {}, "here", "", ""}});
  expect_problem(parts, ErrorCode::unsupported_operator, "here", "Softmax", "output 1");
}

TEST(ImporterProblems, shapes_that_contradict) {
  wire::ModelParts parts =
      parts_of({{"Concat", {"x", "z"}, {"y"}, {wire::int_attribute("axis", 0)}, "here", "", ""}});
  parts.graph.inputs.push_back(value_info("z", tensor_type(kFloat, {"M", 4})));
  expect_problem(parts, ErrorCode::bad_shape, "here", "Concat", "");
}

TEST(ImporterProblems, declared_output_that_cannot_be_true) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.outputs = {value_info("y", tensor_type(kFloat, {"N", 4}))};
  expect_problem(parts, ErrorCode::bad_shape, "", "", "\"y\"");
  parts.graph.outputs = {value_info("y", tensor_type(kFloat, {"N", 3, 1}))};
  expect_problem(parts, ErrorCode::bad_shape, "", "", "\"y\"");
  parts.graph.outputs = {value_info("y", tensor_type(wire::kFloat16, {"N", 3}))};
  expect_problem(parts, ErrorCode::bad_type, "", "", "\"y\"");
}

TEST(ImporterProblems, initializer_that_contradicts_its_input) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.initializers = {wire::float_tensor("x", {1, 4}, {1, 2, 3, 4})};
  const auto problems = problems_of(wire::model(parts));
  EXPECT_EQ(problems[0].code, ErrorCode::bad_shape);
  EXPECT_NE(problems[0].what.find("\"x\""), std::string::npos);
}

TEST(ImporterProblems, function_that_calls_itself_names_the_cycle) {
  wire::ModelParts parts = parts_of({{"A", {"x"}, {"y"}, {}, "here", "mine", ""}});
  wire::FunctionParts a;
  a.domain = "mine";
  a.name = "A";
  a.inputs = {"in"};
  a.outputs = {"out"};
  a.nodes = {{"B", {"in"}, {"out"}, {}, "to b", "mine", ""}};
  wire::FunctionParts b = a;
  b.name = "B";
  b.nodes = {{"A", {"in"}, {"out"}, {}, "to a", "mine", ""}};
  parts.functions = {a, b};
  expect_problem(parts, ErrorCode::model_malformed, "here/to b/to a", "A",
                 "\"A\" -> \"B\" -> \"A\"");
}

TEST(ImporterProblems, function_called_wrongly) {
  wire::ModelParts parts = parts_of({{"A", {"x", "x"}, {"y"}, {}, "here", "mine", ""}});
  wire::FunctionParts a;
  a.domain = "mine";
  a.name = "A";
  a.inputs = {"in"};
  a.outputs = {"out"};
  a.nodes = {softmax("in", "out")};
  parts.functions = {a};
  expect_problem(parts, ErrorCode::model_malformed, "here", "A", "too many values");
  parts.graph.nodes[0].inputs = {"x"};
  parts.graph.nodes[0].attributes = {wire::int_attribute("unknown", 1)};
  expect_problem(parts, ErrorCode::bad_attribute, "here", "A", "\"unknown\"");
  parts.graph.nodes[0].attributes = {};
  parts.functions[0].outputs = {"nothing"};
  expect_problem(parts, ErrorCode::model_malformed, "here", "A", "\"nothing\"");
  parts.functions[0].outputs = {"out"};
  parts.functions.push_back(parts.functions[0]);
  expect_problem(parts, ErrorCode::model_malformed, "", "", "defined twice");
}

TEST(ImporterProblems, inside_of_a_function_names_the_call) {
  wire::ModelParts parts = parts_of({{"A", {"x"}, {"y"}, {}, "call", "mine", ""}});
  wire::FunctionParts a;
  a.domain = "mine";
  a.name = "A";
  a.inputs = {"in"};
  a.outputs = {"out"};
  a.nodes = {{"Softmix", {"in"}, {"out"}, {}, "bad", "", ""}};
  parts.functions = {a};
  expect_problem(parts, ErrorCode::unknown_operator, "call/bad", "Softmix", "");
}

TEST(ImporterProblems, inside_of_a_nested_graph) {
  wire::GraphParts body;
  body.nodes = {{"Softmix", {"x"}, {"out"}, {}, "", "", ""}};
  body.outputs = {value_info("out", {})};
  const wire::ModelParts parts = parts_of({{"Nest",
                                            {},
                                            {"y"},
                                            {wire::graph_attribute("body", wire::graph(body))},
                                            "nest",
                                            "test",
                                            ""}});
  expect_problem(parts, ErrorCode::unknown_operator, "nest/body/Softmix_0", "Softmix", "");
}

TEST(ImporterProblems, all_are_reported_at_once_and_consumers_are_silent) {
  wire::GraphParts body;
  body.nodes = {{"Nonsense", {"b"}, {"out"}, {}, "nested", "", ""}};
  body.outputs = {value_info("out", {})};
  wire::ModelParts parts =
      parts_of({{"Softmix", {"x"}, {"a"}, {}, "one", "", ""},
                softmax("a", "b", "silent"),
                {"Nest",
                 {"b"},
                 {"c"},
                 {wire::graph_attribute("body", wire::graph(body))},
                 "skipped",
                 "test",
                 ""},
                {"Softmax", {"x"}, {"d"}, {wire::string_attribute("axis", "1")}, "two", "", ""},
                softmax("nowhere", "e", "three"),
                softmax("nowhere", "f", "same again"),
                {"Gelu", {"d"}, {"y"}, {}, "four", "", ""}});
  parts.graph.initializers = {wire::float_tensor("short", {3}, {1, 2})};
  const auto problems = problems_of(wire::model(parts));
  std::vector<std::string> nodes;
  std::vector<ErrorCode> codes;
  for (const Diagnostic& problem : problems) {
    nodes.push_back(problem.node);
    codes.push_back(problem.code);
  }
  EXPECT_EQ(nodes, (std::vector<std::string>{"", "one", "nested", "two", "three", "four"}));
  EXPECT_EQ(codes,
            (std::vector<ErrorCode>{ErrorCode::bad_weights, ErrorCode::unknown_operator,
                                    ErrorCode::unknown_operator, ErrorCode::bad_attribute,
                                    ErrorCode::model_malformed, ErrorCode::unknown_operator}));
  EXPECT_EQ(Error(problems).code(), ErrorCode::several_problems);
  EXPECT_EQ(problems[1].opset, 17);
}

TEST(ImporterProblems, many_are_counted) {
  std::vector<Node> nodes;
  for (int i = 0; i < 250; ++i)
    nodes.push_back({"Softmix", {"x"}, {"v" + std::to_string(i)}, {}, "", "", ""});
  nodes.push_back(softmax("x", "y"));
  const auto problems = problems_of(wire::model(parts_of(std::move(nodes))));
  ASSERT_EQ(problems.size(), ProblemList::kShown + 1);
  EXPECT_EQ(problems.back().what, "150 more problems are not shown");
}

TEST(ImporterProblems, names_are_made_printable) {
  const std::string name = "line\nbreak\x1b[31m" + std::string(1000, 'n');
  const auto problems =
      problems_of(wire::model(parts_of({{"Softmix", {"x"}, {"y"}, {}, name, "", ""}})));
  EXPECT_EQ(problems[0].node.find('\n'), std::string::npos);
  EXPECT_EQ(problems[0].node.find('\x1b'), std::string::npos);
  EXPECT_LT(problems[0].node.size(), 200u);
}

}  // namespace
}  // namespace strop::onnx

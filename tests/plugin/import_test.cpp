// SPDX-License-Identifier: Apache-2.0
// Nodes of a plugin's domain in ONNX models.
#include "onnx/importer.hpp"
#include "plugin/plugin_support.hpp"
#include "support/model_writer.hpp"

namespace strop {
namespace {

namespace wire = onnx::wire;
using testing::error_of;
using testing::expect_error;

class PluginImport : public ::testing::Test {
 protected:
  void SetUp() override { testing::load_sample_plugin(); }

  // x: f32[N,L] -> node -> y, with this version of the domain (0: not imported).
  static std::string model(wire::Node node, std::int64_t version = 1) {
    node.domain = "test.sample";
    node.name = "the_node";
    wire::ModelParts parts;
    parts.graph.nodes = {std::move(node)};
    parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N", "L"}))};
    parts.graph.outputs = {wire::value_info("y", wire::tensor_type_without_shape(wire::kFloat))};
    parts.opsets = {{"", 17}};
    if (version > 0) parts.opsets.emplace_back("test.sample", version);
    return wire::model(parts);
  }
  static Graph import(const std::string& bytes) {
    return onnx::import_model(wire::as_bytes(bytes), nullptr);
  }
  static std::string text(const std::string& bytes) { return to_text(import(bytes)); }
  static void expect_text(const std::string& bytes, const std::string& part) {
    const std::string got = text(bytes);
    EXPECT_NE(got.find(part), std::string::npos) << got;
  }
};

TEST_F(PluginImport, attributes_of_every_kind_arrive) {
  const std::vector<wire::Message> attributes = {
      wire::float_attribute("alpha", 0.5f), wire::string_attribute("mode", "negate"),
      wire::ints_attribute("offsets", {3, 4}), wire::int_attribute("ignored", -7),
      wire::tensor_attribute("table", wire::float_tensor("", {2}, {1, 2}))};
  expect_text(
      model({"Affine", {"x"}, {"y"}, attributes, {}, {}, {}}),
      R"(test.sample::Affine:1{alpha=0.5, mode="negate", offsets=[3, 4], table=f32[2]{1, 2}, ignored=-7}(%x) "the_node")");
}

TEST_F(PluginImport, version_is_the_newest_that_the_model_imports) {
  const wire::Node affine{"Affine", {"x"}, {"y"}, {wire::float_attribute("alpha", 1)}, {}, {}, {}};
  for (const std::int64_t version : {0, 1, 2}) expect_text(model(affine, version), "Affine:1");
  for (const std::int64_t version : {3, 1000}) expect_text(model(affine, version), "Affine:3");
}

TEST_F(PluginImport, faults_of_a_model_name_the_node) {
  const auto refused = [](const std::string& bytes, ErrorCode code, const std::string& part) {
    SCOPED_TRACE(part);
    const Error error = error_of([&] { import(bytes); });
    expect_error(error, code, part);
    expect_error(error, code, "the_node");
  };
  const auto affine = [](std::vector<wire::Message> attributes, std::int64_t version = 1) {
    return model({"Affine", {"x"}, {"y"}, std::move(attributes), {}, {}, {}}, version);
  };
  refused(affine({}, 3), ErrorCode::bad_attribute, "alpha");
  refused(affine({wire::int_attribute("alpha", 1)}), ErrorCode::bad_attribute, "must be");
  refused(affine({wire::float_attribute("alpha", 1e9f)}), ErrorCode::bad_attribute,
          "not in [-100, 100]");
  refused(affine({wire::string_attribute("mode", "loud")}), ErrorCode::bad_attribute,
          "plain, negate");
  refused(affine({wire::int_attribute("strange", 1)}), ErrorCode::bad_attribute, "strange");
  refused(affine({wire::graph_attribute("mode", wire::graph({}))}), ErrorCode::bad_attribute,
          "mode");
  refused(model({"Affine", {}, {"y"}, {}, {}, {}, {}}), ErrorCode::model_malformed,
          "input x is missing");
  refused(model({"Affine", {"x", "x"}, {"y"}, {}, {}, {}, {}}), ErrorCode::bad_shape, "rank 1");
  refused(model({"Affine", {"x"}, {"y", "z"}, {}, {}, {}, {}}), ErrorCode::model_malformed,
          "1 outputs");
  refused(model({"Windows", {"x"}, {"y"}, {wire::int_attribute("size", INT64_MIN)}, {}, {}, {}}),
          ErrorCode::bad_attribute, "not in [1, 1000]");
  refused(model({"Affinity", {"x"}, {"y"}, {}, {}, {}, {}}), ErrorCode::unsupported_operator,
          "plugins have test.sample::Affine:1");
}

TEST_F(PluginImport, optional_outputs_are_made_when_wanted) {
  const Graph one = import(model({"Sum", {"x", "x"}, {"y"}, {}, {}, {}, {}}));
  EXPECT_EQ(one.node(one.order()[0]).outputs.size(), 1u);
  const Graph two = import(model({"Sum", {"x", "x"}, {"y", "count"}, {}, {}, {}, {}}));
  EXPECT_EQ(two.node(two.order()[0]).outputs.size(), 2u);
}

TEST_F(PluginImport, unknown_domain_mentions_plugins) {
  wire::ModelParts parts;
  parts.graph.nodes = {{"Swish", {"x"}, {"y"}, {}, "n", "com.example", {}}};
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N"}))};
  const std::string bytes = wire::model(parts);
  expect_error(error_of([&] { import(bytes); }), ErrorCode::unsupported_operator, "--plugin FILE");
}

TEST_F(PluginImport, newer_version_than_the_model_imports_is_named) {
  // Version 0 does not exist; only an operator that came later can be missing.
  wire::ModelParts parts;
  parts.graph.nodes = {{"Late", {"x"}, {"y"}, {}, "n", "test.late", {}}};
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.opsets = {{"", 17}, {"test.late", 4}};
  static const strop_plugin_operand operand{
      sizeof(strop_plugin_operand), "x", STROP_TYPES_FLOAT, STROP_OPERAND_REQUIRED, 0, 0, 0};
  static const strop_plugin_operator op = [] {
    const auto same = [](const strop_plugin_host* host, strop_plugin_call* call) -> strop_status {
      const strop_dim dim = host->input_dim(call, 0, 0);
      host->set_output(call, 0, host->input_dtype(call, 0), 1, &dim);
      return STROP_OK;
    };
    strop_plugin_operator out{};
    out.struct_size = sizeof out;
    out.domain = "test.late";
    out.name = "Late";
    out.since_version = 5;
    out.inputs = out.outputs = &operand;
    out.input_count = out.output_count = 1;
    out.infer = same;
    out.reference = same;
    return out;
  }();
  static const strop_plugin plugin{
      sizeof(strop_plugin), STROP_PLUGIN_API_VERSION, 1, 0, "late", nullptr, &op, 1};
  add_plugin(&plugin, "late.so");
  const std::string old = wire::model(parts);
  expect_error(error_of([&] { import(old); }), ErrorCode::unsupported_operator,
               "test.late::Late:5, the model imports version 4");
  parts.opsets.back().second = 5;
  const std::string current = wire::model(parts);
  expect_text(current, "test.late::Late:5(%x)");
}

TEST_F(PluginImport, plugin_goes_before_a_function_of_the_model) {
  wire::ModelParts parts;
  parts.graph.nodes = {{"Affine", {"x"}, {"m"}, {}, "custom", "test.sample", {}},
                       {"Other", {"m"}, {"y"}, {}, "function", "test.sample", {}}};
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.opsets = {{"", 17}, {"test.sample", 1}};
  for (const char* name : {"Affine", "Other"}) {
    wire::FunctionParts function;
    function.domain = "test.sample";
    function.name = name;
    function.inputs = {"a"};
    function.outputs = {"b"};
    function.nodes = {{"Relu", {"a"}, {"b"}, {}, "relu", {}, {}}};
    parts.functions.push_back(function);
  }
  const std::string bytes = wire::model(parts);
  const std::string got = text(bytes);
  EXPECT_NE(got.find("test.sample::Affine:1(%x)"), std::string::npos) << got;
  EXPECT_NE(got.find("relu"), std::string::npos) << got;
  EXPECT_EQ(import(bytes).node_count(), 2u);
}

}  // namespace
}  // namespace strop

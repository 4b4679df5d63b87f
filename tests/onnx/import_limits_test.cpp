// SPDX-License-Identifier: Apache-2.0
// A small file costs little, whatever it says: at most 100 ms of processor time and 64 MiB of
// memory for up to 4 KiB; a larger one takes in proportion (ImportLimits), and is refused before it
// takes more.
#include <ctime>
#include <functional>

#include "base/os/process_memory.hpp"
#include "onnx/import_fixture.hpp"
#include "support/sanitized.hpp"

namespace strop::onnx {
namespace {

using wire::Message;
using wire::tensor_type;
using wire::value_info;

constexpr std::uint64_t kMiB = 1 << 20;

wire::Node softmax(const std::string& in, const std::string& out) {
  return {"Softmax", {in}, {out}, {}, "", "", ""};
}

std::string with_initializer(const Message& tensor) {
  wire::ModelParts parts = parts_of({softmax("x", "y")});
  parts.graph.initializers = {tensor};
  return wire::model(parts);
}

std::string nested_graphs(int depth) {
  Message graph;
  for (int i = 0; i < depth; ++i) {
    graph = Message().message(
        1, Message().bytes(4, "Nest").message(5, Message().bytes(1, "body").message(6, graph)));
  }
  return Message().number(1, 8).message(7, graph).data;
}

std::string nested_types(int depth) {
  Message type = tensor_type(1, {1});
  for (int i = 0; i < depth; ++i) type = Message().message(4, Message().message(1, type));
  return Message().number(1, 8).message(7, Message().message(11, value_info("x", type))).data;
}

// Each function calls the next one twice.
std::string doubling_functions(int count) {
  wire::ModelParts parts = parts_of({{"f0", {"x"}, {"y"}, {}, "", "m", ""}});
  for (int i = 0; i < count; ++i) {
    wire::FunctionParts function;
    function.domain = "m";
    function.name = "f" + std::to_string(i);
    function.inputs = {"a"};
    function.outputs = {"c"};
    const std::string next = "f" + std::to_string(i + 1);
    const bool last = i + 1 == count;
    function.nodes = {{last ? "Softmax" : next, {"a"}, {"b"}, {}, "", last ? "" : "m", ""},
                      {last ? "Softmax" : next, {"b"}, {"c"}, {}, "", last ? "" : "m", ""}};
    parts.functions.push_back(function);
  }
  return wire::model(parts);
}

std::string repeated(std::uint32_t field_of_graph, std::size_t bytes) {
  Message graph;
  while (graph.data.size() < bytes) graph.message(field_of_graph, {});
  return Message().number(1, 8).message(7, graph).data;
}

std::string many_nodes(const std::string& op, std::size_t bytes) {
  std::vector<wire::Node> nodes;
  for (std::size_t i = 0; i * 17 < bytes; ++i) nodes.push_back({op, {"x"}, {""}, {}, "", "", ""});
  nodes.push_back(softmax("x", "y"));
  return wire::model(parts_of(std::move(nodes)));
}

std::vector<std::pair<std::string, std::string>> bombs() {
  const std::int64_t huge = std::int64_t{1} << 62;
  const Message values = wire::float_tensor("s", {1}, {1});
  const Message index = wire::int64_tensor("i", {1}, {0});
  const auto sparse = [&](const std::vector<std::int64_t>& dims) {
    wire::ModelParts parts = parts_of({softmax("x", "y")});
    parts.graph.sparse_initializers = {wire::sparse_tensor(values, index, dims)};
    return wire::model(parts);
  };
  const auto shape_only = [&](const std::vector<std::int64_t>& dims, std::int64_t type) {
    return with_initializer(Message().numbers(1, dims).number(2, type).bytes(8, "w"));
  };
  wire::ModelParts fill = parts_of(
      {{"ConstantOfShape", {"s"}, {"a"}, {}, "", "", ""}, softmax("a", "b"), softmax("x", "y")});
  fill.graph.initializers = {wire::int64_tensor("s", {3}, {1 << 20, 1 << 20, 1 << 20})};
  wire::ModelParts wide = parts_of({softmax("x", "y")});
  wide.graph.inputs.push_back(
      value_info("z", tensor_type(1, std::vector<wire::Size>(700, wire::Size("?")))));
  return {
      {"tensor without data", shape_only({huge}, 1)},
      {"product of sizes overflows", shape_only({huge, huge}, 1)},
      {"bytes overflow", shape_only({huge}, wire::kComplex128)},
      {"strings without data", shape_only({huge}, wire::kString)},
      {"packed type without data", shape_only({huge}, wire::kInt4)},
      {"rank of thousands", shape_only(std::vector<std::int64_t>(3000, 1), 1)},
      {"sparse", sparse({std::int64_t{1} << 40})},
      {"sparse, product overflows", sparse({huge, huge})},
      {"sparse of 200 MiB", sparse({50 << 20})},
      {"external", with_initializer(wire::external_tensor("w", {huge / 8}, "w", 0, huge / 2))},
      {"nested graphs", nested_graphs(150)},
      {"nested types", nested_types(600)},
      {"functions", doubling_functions(40)},
      {"empty nodes", repeated(1, 4000)},
      {"empty initializers", repeated(5, 4000)},
      {"empty inputs", repeated(11, 4000)},
      {"empty outputs", repeated(12, 4000)},
      {"empty sparse initializers", repeated(15, 4000)},
      {"nodes", many_nodes("Softmax", 3900)},
      {"unknown nodes", many_nodes("Q", 3900)},
      {"tensor made at run time", wire::model(fill)},
      {"input of rank 700", wire::model(wide)},
  };
}

TEST(ImportLimits, small_files_cost_little) {
  for (const auto& [name, bytes] : bombs()) {
    ASSERT_LE(bytes.size(), 4096u) << name;
    const std::uint64_t before = os::peak_resident_bytes();
    const std::clock_t begin = std::clock();
    try {
      import_bytes(bytes);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << name << ": " << error.message();
      EXPECT_NE(error.code(), ErrorCode::out_of_memory) << name << ": " << error.message();
    }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_LE(seconds, testing::kSanitized ? 1.0 : 0.1) << name;
    EXPECT_LE(os::peak_resident_bytes(), before + 64 * kMiB) << name;
  }
}

TEST(ImportLimits, tiny_parts_of_a_large_file_are_refused_before_they_fill_the_memory) {
  const ImportLimits limits;
  for (const std::uint32_t field : {1u, 5u, 11u, 12u, 13u, 15u}) {
    const std::string bytes = repeated(field, 8 << 20);
    const std::uint64_t before = os::peak_resident_bytes();
    EXPECT_THROW(import_bytes(bytes), Error);
    const std::uint64_t structure =
        static_cast<std::uint64_t>(limits.bytes_per_structure_byte) * bytes.size();
    EXPECT_LE(os::peak_resident_bytes(), before + 64 * kMiB + 3 * bytes.size() + structure)
        << field;
  }
}

TEST(ImportLimits, many_small_nodes_are_a_model_like_any_other) {
  constexpr int kCount = 50'000;
  std::vector<wire::Node> nodes;
  for (int i = 0; i < kCount; ++i) {
    const std::string from = i == 0 ? "x" : "value_" + std::to_string(i);
    const std::string to = i + 1 == kCount ? "y" : "value_" + std::to_string(i + 1);
    nodes.push_back({"Relu", {from}, {to}, {}, "/block/relu_" + std::to_string(i), "", ""});
  }
  EXPECT_EQ(import_bytes(wire::model(parts_of(std::move(nodes)))).node_count(), kCount);
}

TEST(ImportLimits, expansion_of_functions_is_an_error_with_its_limit) {
  const auto problems = problems_of(doubling_functions(40));
  EXPECT_EQ(problems.back().code, ErrorCode::limit_exceeded);
  EXPECT_NE(problems.back().hint.find("ImportLimits::nodes"), std::string::npos);
  ImportOptions options;
  options.limits.nodes = 100'000;
  EXPECT_GT(import_bytes(doubling_functions(11), options).node_count(), 2000u);
}

TEST(ImportLimits, nesting_is_bounded) {
  EXPECT_EQ(problems_of(nested_graphs(40))[0].code, ErrorCode::limit_exceeded);
  EXPECT_EQ(problems_of(nested_types(40))[0].code, ErrorCode::limit_exceeded);
}

TEST(ImportLimits, shape_made_at_run_time_is_not_materialised) {
  for (const auto& [name, bytes] : bombs()) {
    if (name != "tensor made at run time") continue;
    EXPECT_NO_THROW(import_bytes(bytes));
  }
}

// Nothing beside the bytes of the file and what its lists of parameters may claim.
ImportOptions lists_alone() {
  ImportOptions options;
  options.limits.extra_bytes = 64 << 10;
  options.limits.structure_bytes = 0;
  return options;
}

wire::Node label_encoder(int labels) {
  std::vector<std::int64_t> keys(static_cast<std::size_t>(labels));
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::int64_t>(i);
  return {"LabelEncoder",
          {"x"},
          {"y"},
          {wire::ints_attribute("keys_int64s", keys), wire::ints_attribute("values_int64s", keys)},
          "",
          "ai.onnx.ml",
          ""};
}

wire::ModelParts model_of_labels(std::vector<wire::Node> nodes) {
  wire::ModelParts parts = parts_of(std::move(nodes));
  parts.opsets = {{"", 20}, {"ai.onnx.ml", 2}, {"m", 1}};
  parts.graph.inputs = {value_info("x", tensor_type(wire::kInt64, {"N"}))};
  parts.graph.outputs = {value_info("y", tensor_type(wire::kInt64, {"N"}))};
  return parts;
}

TEST(ImportLimits, lists_of_parameters_may_be_as_large_as_the_file) {
  const std::string bytes = wire::model(model_of_labels({label_encoder(50'000)}));
  EXPECT_EQ(import_bytes(bytes, lists_alone()).node_count(), 1u);
}

TEST(ImportLimits, other_lists_claim_nothing) {
  wire::ModelParts parts = parts_of({{"Transpose", {"x"}, {"y"}, {}, "", "", ""}});
  parts.graph.nodes[0].attributes = {
      wire::ints_attribute("perm", std::vector<std::int64_t>(50'000))};
  EXPECT_EQ(problems_of(wire::model(parts), lists_alone()).back().code, ErrorCode::limit_exceeded);
}

TEST(ImportLimits, lists_of_a_function_claim_no_more_than_the_file_however_often_it_is_called) {
  wire::FunctionParts function;
  function.domain = "m";
  function.name = "labels";
  function.inputs = {"x"};
  function.outputs = {"y"};
  function.nodes = {label_encoder(5'000)};
  function.opsets = {{"ai.onnx.ml", 2}};
  std::vector<wire::Node> calls;
  constexpr int kCalls = 500;
  for (int i = 0; i < kCalls; ++i) {
    const std::string from = i == 0 ? "x" : "v" + std::to_string(i);
    const std::string to = i + 1 == kCalls ? "y" : "v" + std::to_string(i + 1);
    calls.push_back({"labels", {from}, {to}, {}, "", "m", ""});
  }
  wire::ModelParts parts = model_of_labels(std::move(calls));
  parts.functions = {function};
  ImportOptions options = lists_alone();
  options.limits.extra_bytes = 2 << 20;  // enough for the calls, not for 80 MB of lists
  EXPECT_EQ(problems_of(wire::model(parts), options).back().code, ErrorCode::limit_exceeded);
  parts.functions[0].nodes = {label_encoder(1)};
  EXPECT_EQ(import_parts(parts, options).node_count(), static_cast<std::size_t>(kCalls));
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Strings, sequences and maps on the command line: printed in part, written and read as JSON.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/npy_text.hpp"
#include "cli/run_program.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using nlohmann::json;
using testing::floats;
using testing::npy;
using testing::ProgramResult;

onnx::wire::Message strings_attribute(std::string_view name,
                                      const std::vector<std::string>& values) {
  onnx::wire::Message out;
  out.bytes(1, name);
  for (const std::string& value : values) out.bytes(9, value);
  return out.number(20, 8);
}

onnx::wire::Message map_type(std::int64_t key, std::int64_t value) {
  onnx::wire::Message map;
  map.number(1, key).message(2, onnx::wire::tensor_type(value, {}));
  return onnx::wire::Message().message(5, map);
}

class Values : public ::testing::Test {
 protected:
  ProgramResult strop(const std::vector<std::string>& arguments) {
    return testing::run_program(STROP_CLI, arguments, true);
  }
  std::string model(const onnx::wire::GraphParts& graph) {
    onnx::wire::ModelParts parts;
    parts.graph = graph;
    parts.opsets = {{"", 20}, {"ai.onnx.ml", 3}};
    return folder_.file("m.onnx", onnx::wire::model(parts));
  }
  // x: f32[N,2] -> maps with keys "no" and "yes".
  std::string zip_model() {
    onnx::wire::GraphParts graph;
    graph.nodes = {{"ZipMap",
                    {"x"},
                    {"odds"},
                    {strings_attribute("classlabels_strings", {"no", "yes"})},
                    "",
                    "ai.onnx.ml",
                    {}}};
    graph.inputs = {
        onnx::wire::value_info("x", onnx::wire::tensor_type(onnx::wire::kFloat, {"N", 2}))};
    onnx::wire::Message sequence;
    sequence.message(1, map_type(onnx::wire::kString, onnx::wire::kFloat));
    graph.outputs = {onnx::wire::value_info("odds", onnx::wire::Message().message(4, sequence))};
    return model(graph);
  }
  testing::TemporaryFolder folder_;
};

TEST_F(Values, maps_are_printed_and_written_as_json) {
  const std::string x = folder_.file("x.npy", npy("<f4", "(2, 2)", floats({0.1f, 0.9f, 1, 0})));
  const auto ran = strop({"run", zip_model(), "--input", x, "--output", folder_.path("out")});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find(R"([{"no": 0.1, "yes": 0.9}, {"no": 1.0, "yes": 0.0}])"),
            std::string::npos)
      << ran.output;
  EXPECT_EQ(json::parse(folder_.content("out/odds.json")),
            json::parse(R"([{"no":0.1,"yes":0.9},{"no":1,"yes":0}])"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out/odds.npy")));
}

TEST_F(Values, what_is_long_is_printed_in_part) {
  const std::string x = folder_.file("x.npy", npy("<f4", "(1000, 2)", std::string(8000, '\0')));
  const auto ran = strop({"run", zip_model(), "--input", x});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find(" more]"), std::string::npos) << ran.output;
  EXPECT_LT(ran.output.size(), 2000u);
  const auto result = json::parse(strop({"run", zip_model(), "--input", x, "--json", "-"}).output);
  EXPECT_FALSE(result.at("outputs").at(0).contains("value"));
}

TEST_F(Values, maps_are_read_from_json) {
  onnx::wire::GraphParts graph;
  graph.nodes = {{"DictVectorizer",
                  {"words"},
                  {"y"},
                  {strings_attribute("string_vocabulary", {"a", "b"})},
                  "",
                  "ai.onnx.ml",
                  {}}};
  graph.inputs = {
      onnx::wire::value_info("words", map_type(onnx::wire::kString, onnx::wire::kFloat))};
  graph.outputs = {
      onnx::wire::value_info("y", onnx::wire::tensor_type(onnx::wire::kFloat, {1, 2}))};
  const std::string path = model(graph);
  const auto run = [&](const std::string& text) {
    return strop({"run", path, "--input", folder_.file("words.json", text)});
  };
  const auto ran = run(R"({"b": 2.5, "c": "NaN"})");
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("[[0.0, 2.5]]"), std::string::npos) << ran.output;
  for (const char* wrong : {"", "[1]", R"({"a": "one"})", R"({"a": [1]} x)", R"({"a": null})"}) {
    const auto refused = run(wrong);
    EXPECT_EQ(refused.exit_code, 1) << wrong;
    EXPECT_NE(refused.output.find("words.json"), std::string::npos) << refused.output;
  }
}

TEST_F(Values, strings_are_read_from_json_and_come_back) {
  onnx::wire::GraphParts graph;
  graph.nodes = {{"StringConcat", {"a", "a"}, {"y"}, {}, "", "", {}}};
  graph.inputs = {
      onnx::wire::value_info("a", onnx::wire::tensor_type(onnx::wire::kString, {"N", 2}))};
  graph.outputs = {
      onnx::wire::value_info("y", onnx::wire::tensor_type(onnx::wire::kString, {"N", 2}))};
  const std::string path = model(graph);
  const auto ran = strop({"run", path, "--input", folder_.file("a.json", R"([["x", "\u00fc\n"]])"),
                          "--output", folder_.path("out")});
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("y: string[1,2]\n  [[\"xx\", \"\u00fc\\n\u00fc\\n\"]]"),
            std::string::npos)
      << ran.output;
  EXPECT_EQ(json::parse(folder_.content("out/y.json")),
            json::parse(R"([["xx", "\u00fc\n\u00fc\n"]])"));
  EXPECT_EQ(strop({"run", path, "--input", folder_.file("b.json", R"([["x"], []])")}).exit_code, 1);
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// --plugin on the command line, with the example plugin and the one of the tests.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/npy_text.hpp"
#include "cli/run_program.hpp"
#include "plugin/attention_model.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

namespace wire = onnx::wire;
using nlohmann::json;
using testing::floats;
using testing::npy;
using testing::ProgramResult;

class PluginOption : public ::testing::Test {
 protected:
  ProgramResult strop(const std::vector<std::string>& arguments, bool with_errors = true) {
    return testing::run_program(STROP_CLI, arguments, with_errors);
  }
  void expect_failure(const ProgramResult& result, const std::string& text, int exit_code = 1) {
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << result.output;
  }
  std::string model() { return folder_.file("attention.onnx", testing::attention_model()); }
  std::vector<std::string> inputs() {
    std::string value;
    for (int i = 0; i < 40; ++i) value += floats({static_cast<float>(i)});
    // The middle of the second pixel, and the border between the last two.
    return {"--input",
            "value=" + folder_.file("value.npy", npy("<f4", "(1, 5, 1, 8)", value)),
            "--input",
            "weights=" + folder_.file("weights.npy", npy("<f4", "(1, 1, 1, 1, 2)", floats({1, 2}))),
            "--input",
            "locations=" + folder_.file("locations.npy", npy("<f4", "(1, 1, 1, 1, 2, 2)",
                                                             floats({0.3f, 0.5f, 0.8f, 0.5f}))),
            "--output",
            folder_.path("out")};
  }
  std::vector<std::string> with_inputs(std::vector<std::string> arguments) {
    for (std::string& argument : inputs()) arguments.push_back(std::move(argument));
    return arguments;
  }

  const std::string plugin_ = STROP_DEFORMABLE_ATTENTION;
  testing::TemporaryFolder folder_;
};

TEST_F(PluginOption, builds_inspects_runs_and_measures) {
  const std::string engine = folder_.path("attention.strop");
  const ProgramResult built = strop({"build", model(), "-o", engine, "--plugin", plugin_});
  ASSERT_EQ(built.exit_code, 0) << built.output;
  EXPECT_NE(built.output.find("1 x plugin plugin/rows"), std::string::npos) << built.output;
  EXPECT_NE(built.output.find("self-check   output y"), std::string::npos) << built.output;
  EXPECT_NE(built.output.find("deformable_attention 1.0"), std::string::npos) << built.output;

  // The header is data; nothing needs the plugin to read it.
  const ProgramResult head = strop({"inspect", engine, "--header"});
  EXPECT_NE(head.output.find(
                "deformable_attention 1.0 for mmdeploy::MMCVMultiScaleDeformableAttention:1"),
            std::string::npos)
      << head.output;
  const json found = json::parse(strop({"inspect", engine, "--json"}, false).output);
  EXPECT_EQ(found.at("plugins").at(0).at("name"), "deformable_attention");
  EXPECT_EQ(found.at("steps").at(0).at("backend"), "plugin");

  const ProgramResult ran = strop(with_inputs({"run", engine, "--plugin", plugin_}));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const std::string output = folder_.content("out/y.npy");
  ASSERT_GE(output.size(), 32u);
  float got[8];
  std::memcpy(got, output.data() + output.size() - sizeof got, sizeof got);
  for (int d = 0; d < 8; ++d) EXPECT_NEAR(got[d], 8 + d + 2 * (28 + d), 1e-4);

  expect_failure(strop(with_inputs({"run", engine})), "STROP-E607");
  expect_failure(strop(with_inputs({"run", engine})), "plugin deformable_attention 1.0");
  expect_failure(strop(with_inputs({"run", engine, "--plugin", STROP_SAMPLE_PLUGIN})),
                 "STROP-E607");

  const json measured =
      json::parse(strop({"bench", engine, "--plugin", plugin_, "--shape", "value=1x5x1x8",
                         "--shape", "weights=1x4x1x1x2", "--shape", "locations=1x4x1x1x2x2",
                         "--duration", "0.02", "--profile", "--json", "-"},
                        false)
                      .output);
  EXPECT_EQ(measured.at("steps").at(0).at("backend"), "plugin");
}

TEST_F(PluginOption, models_are_built_on_the_fly_and_problems_told) {
  const ProgramResult ran =
      strop(with_inputs({"run", model(), "--plugin", plugin_, "--device", "reference"}));
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  expect_failure(strop({"build", model(), "-o", folder_.path("none.strop")}), "--plugin FILE");
  EXPECT_EQ(json::parse(strop({"inspect", model(), "--json"}, false).output).at("problems").size(),
            1u);
  EXPECT_EQ(json::parse(strop({"inspect", model(), "--json", "--plugin", plugin_}, false).output)
                .at("problems")
                .size(),
            0u);
  const ProgramResult listed = strop({"operators", "--plugin", plugin_});
  EXPECT_NE(listed.output.find("MMCVMultiScaleDeformableAttention"), std::string::npos)
      << listed.output;
}

TEST_F(PluginOption, several_plugins_and_files_that_are_none) {
  EXPECT_EQ(
      strop({"inspect", model(), "--plugin", plugin_, "--plugin", STROP_SAMPLE_PLUGIN}).exit_code,
      0);
  EXPECT_EQ(strop({"inspect", model(), "--plugin", plugin_, "--plugin", plugin_}).exit_code, 0);
  for (const std::string command : {"build", "run", "bench", "inspect"}) {
    SCOPED_TRACE(command);
    const auto with = [&](const std::string& plugin) {
      return strop({command, model(), "--plugin", plugin});
    };
    if (command == "build") continue;  // it asks for -o first
    expect_failure(with(folder_.path("absent.so")), "STROP-E200");
    expect_failure(with(folder_.file("text.so", "text")), "STROP-E604");
    expect_failure(with(STROP_OTHER_API_PLUGIN), "STROP-E605");
  }
  expect_failure(strop({"build", model(), "-o", folder_.path("e"), "--plugin", STROP_SAMPLE_PLUGIN,
                        "--plugin", STROP_OTHER_VERSION_PLUGIN}),
                 "STROP-E606");
}

// An engine of another version of a plugin, or of one whose operator is gone.
TEST_F(PluginOption, engines_want_the_version_they_were_built_with) {
  wire::ModelParts parts;
  parts.graph.nodes = {{"Affine", {"x"}, {"y"}, {}, "affine", "test.sample", {}}};
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N"}))};
  parts.opsets = {{"", 17}, {"test.sample", 1}};
  const std::string path = folder_.file("affine.onnx", wire::model(parts));
  const std::string engine = folder_.path("affine.strop");
  const std::string x = "x=" + folder_.file("x.npy", npy("<f4", "(2,)", floats({1, 2})));
  ASSERT_EQ(strop({"build", path, "-o", engine, "--plugin", STROP_SAMPLE_PLUGIN}).exit_code, 0);
  EXPECT_EQ(strop({"run", engine, "--input", x, "--plugin", STROP_SAMPLE_PLUGIN}).exit_code, 0);
  const ProgramResult other =
      strop({"run", engine, "--input", x, "--plugin", STROP_OTHER_VERSION_PLUGIN});
  expect_failure(other, "STROP-E605");
  expect_failure(other, "version 2.4 is loaded");
}

#if defined(__linux__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
TEST_F(PluginOption, faults_are_told_before_they_end_the_program) {
  const ProgramResult result =
      strop({"build", model(), "-o", folder_.path("a.strop"), "--plugin", STROP_FAULTING_PLUGIN});
  EXPECT_NE(result.exit_code, 0);
  for (const char* part : {"strop: STROP-E100 internal fault: SIGSEGV", "test_plugin_faulting.so",
                           "while: strop build"})
    EXPECT_NE(result.output.find(part), std::string::npos) << part << "\n" << result.output;
}
#endif

}  // namespace
}  // namespace strop

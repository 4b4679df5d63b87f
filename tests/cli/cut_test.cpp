// SPDX-License-Identifier: Apache-2.0
// A refused model says how to build the part before the refused operator: that command is run as it
// is printed.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/run_program.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

namespace wire = onnx::wire;

TEST(CutSuggestion, works_in_one_step) {
  const testing::TemporaryFolder folder;
  wire::ModelParts parts;
  const wire::Message unknown = wire::string_attribute("operator", "frobnicate");
  parts.graph.nodes = {{"Relu", {"x"}, {"/a/Relu out"}, {}, "", "", ""},
                       {"ATen", {"/a/Relu out"}, {"b"}, {unknown}, "odd", "", ""},
                       {"Neg", {"x"}, {"c"}, {}, "", "", ""},
                       {"Mine", {"b", "c"}, {"y"}, {}, "own", "com.example", ""}};
  const wire::Message type = wire::tensor_type(wire::kFloat, {"N", 3});
  parts.graph.inputs = {wire::value_info("x", type)};
  parts.graph.outputs = {wire::value_info("y", type)};
  const std::string model = folder.file("odd model.onnx", wire::model(parts));

  const auto refused =
      testing::run_program(STROP_CLI, {"build", model, "-o", folder.path("whole.strop")});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.output.find("aten::frobnicate"), std::string::npos) << refused.output;
  const std::size_t begin = refused.output.find("strop build ");
  ASSERT_NE(begin, std::string::npos) << refused.output;
  const std::string command =
      refused.output.substr(begin, refused.output.find('\n', begin) - begin);
  EXPECT_NE(command.find("'--outputs=/a/Relu out,c'"), std::string::npos) << command;

  // A shell in the folder reads the line as a user would give it to one.
  const std::filesystem::path program = STROP_CLI;
  const std::string script = "cd \"" + folder.path("") + "\" && PATH=\"" +
                             program.parent_path().string() + ":$PATH\" && " + command;
  const std::string file = folder.file("command.sh", script + "\n");
  const auto built = testing::run_program("/bin/sh", {file});
  EXPECT_EQ(built.exit_code, 0) << built.output;
  EXPECT_TRUE(std::filesystem::exists(folder.path("model.strop")));
  const auto seen = testing::run_program(STROP_CLI, {"inspect", folder.path("model.strop")});
  EXPECT_NE(seen.output.find("/a/Relu out"), std::string::npos) << seen.output;
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// The example reads what its pictures say. script/demo fetches the model.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

TEST(ReadText, pictures_of_the_example_are_read) {
  const std::string model =
      "../.cache/rapidocr/rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no model; script/demo fetches it";
  if (std::string(STROP_READ_TEXT).empty()) GTEST_SKIP() << "built without libpng";
  const testing::TemporaryFolder folder;
  const std::string engine = folder.path("recogniser.strop");
  const auto built =
      testing::run_program(STROP_CLI, {"build", model, "-o", engine, "--no-tuning", "--no-verify"});
  ASSERT_EQ(built.exit_code, 0) << built.output;
  const auto found = nlohmann::json::parse(
      testing::run_program(STROP_CLI, {"inspect", model, "--json", "--header"}, false).output);
  const std::string characters =
      folder.file("characters.txt", found.at("metadata").at("character").get<std::string>() + "\n");

  const std::string lines = "../examples/read_text/lines/";
  std::ifstream expected(lines + "expected.txt");
  int pictures = 0;
  for (std::string name, text;
       std::getline(expected, name, '\t') && std::getline(expected, text);) {
    const auto read = testing::run_program(STROP_READ_TEXT, {engine, characters, lines + name});
    EXPECT_EQ(read.exit_code, 0) << read.output;
    EXPECT_NE(read.output.find("  " + text + "\n"), std::string::npos) << read.output;
    ++pictures;
  }
  EXPECT_GE(pictures, 4);
}

}  // namespace
}  // namespace strop

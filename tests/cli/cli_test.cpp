// SPDX-License-Identifier: Apache-2.0
// The program as a user meets it: exit codes, messages, files that are there or not.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
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

// x: f32[N,3] -> Relu -> y, and its engine.
class CommandLine : public ::testing::Test {
 protected:
  ProgramResult strop(const std::vector<std::string>& arguments, bool with_errors = true) {
    return testing::run_program(STROP_CLI, arguments, with_errors);
  }
  void expect_failure(const ProgramResult& result, int exit_code, const std::string& text) {
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_NE(result.output.find(text), std::string::npos) << result.output;
  }
  std::string model() {
    return folder_.file("relu.onnx",
                        onnx::wire::one_node_model({"Relu", {"x"}, {"y"}, {}, "act", {}, {}}));
  }
  std::string engine() {
    const std::string path = folder_.path("relu.strop");
    const ProgramResult built = strop({"build", model(), "-o", path});
    EXPECT_EQ(built.exit_code, 0) << built.output;
    return path;
  }
  ProgramResult run_with(const std::string& name, const std::string& content) {
    return strop({"run", engine(), "--input", "x=" + folder_.file(name, content), "--output",
                  folder_.path("out")});
  }
  testing::TemporaryFolder folder_;
};

TEST_F(CommandLine, usage_errors_exit_with_2) {
  EXPECT_EQ(strop({}).exit_code, 2);
  EXPECT_EQ(strop({"build"}).exit_code, 2);
  EXPECT_EQ(strop({"build", model(), "--no-such-option"}).exit_code, 2);
  EXPECT_EQ(strop({"build", model(), "-o", folder_.path("e"), "--device", "abacus"}).exit_code, 2);
  EXPECT_EQ(strop({"--version"}).exit_code, 0);
}

TEST_F(CommandLine, precision_is_one_of_those_that_are_built) {
  const std::string path = folder_.path("relu.strop");
  const ProgramResult built = strop({"build", model(), "-o", path, "--precision", "bf16"});
  EXPECT_EQ(built.exit_code, 0) << built.output;
  const ProgramResult header = strop({"inspect", path, "--header", "--json"});
  EXPECT_NE(header.output.find("\"precision\": \"bf16\""), std::string::npos) << header.output;
  expect_failure(strop({"build", model(), "-o", path, "--precision", "fp16"}), 2,
                 "fp16 engines are for GPUs");
}

TEST_F(CommandLine, missing_file_is_named) {
  for (const char* command : {"run", "bench", "inspect"})
    expect_failure(strop({command, folder_.path("gone.onnx")}), 1, "gone.onnx");
  expect_failure(strop({"build", folder_.path("gone.onnx"), "-o", folder_.path("e")}), 1,
                 "STROP-E200");
}

TEST_F(CommandLine, files_that_are_no_models_leave_no_engine) {
  const std::string whole = onnx::wire::one_node_model({"Relu", {"x"}, {"y"}, {}, "act", {}, {}});
  for (const std::string& content :
       {std::string(), std::string("GIF89a, no model at all"), whole.substr(0, whole.size() - 1)}) {
    const ProgramResult built =
        strop({"build", folder_.file("m.onnx", content), "-o", folder_.path("m.strop")});
    expect_failure(built, 1, "STROP-E3");
    EXPECT_FALSE(std::filesystem::exists(folder_.path("m.strop")));
  }
}

TEST_F(CommandLine, unknown_operator_is_named_and_leaves_the_old_engine) {
  const std::string path = folder_.file(
      "m.onnx", onnx::wire::one_node_model({"Frobnicate", {"x"}, {"y"}, {}, "node_7", {}, {}}));
  folder_.file("m.strop", "old");
  const ProgramResult built = strop({"build", path, "-o", folder_.path("m.strop")});
  expect_failure(built, 1, "Frobnicate");
  expect_failure(built, 1, "node_7");
  EXPECT_EQ(folder_.content("m.strop"), "old");
}

TEST_F(CommandLine, run_writes_what_numpy_reads) {
  const ProgramResult ran = run_with("x.npy", npy("<f4", "(2, 3)", floats({-1, 2, -3, 4, -5, 6})));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_EQ(folder_.content("out/y.npy"), npy("<f4", "(2,3,)", floats({0, 2, 0, 4, 0, 6})));
}

TEST_F(CommandLine, run_reads_test_data_of_onnx) {
  const auto tensor = onnx::wire::float_tensor("x", {1, 3}, {-1, 0, 1});
  const ProgramResult ran = run_with("x.pb", tensor.data);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_EQ(folder_.content("out/y.npy"), npy("<f4", "(1,3,)", floats({0, 0, 1})));
}

TEST_F(CommandLine, a_run_keeps_to_the_memory_that_it_is_given) {
  const std::string x = folder_.file("x.npy", npy("<f4", "(2, 3)", floats({-1, 2, -3, 4, -5, 6})));
  for (const char* command : {"run", "bench"}) {
    expect_failure(strop({command, engine(), "--input", x, "--memory", "1b"}), 1, "STROP-E204");
  }
  EXPECT_EQ(strop({"run", engine(), "--input", x, "--memory", "1MiB"}).exit_code, 0);
  EXPECT_EQ(strop({"run", engine(), "--input", x, "--memory", "some"}).exit_code, 2);
}

TEST_F(CommandLine, inputs_that_do_not_fit_are_refused_one_by_one) {
  expect_failure(strop({"run", engine()}), 1, "STROP-E701");
  const std::string good = folder_.file("x.npy", npy("<f4", "(1, 3)", floats({1, 2, 3})));
  expect_failure(strop({"run", engine(), "--input", "z=" + good}), 1, "STROP-E700");
  expect_failure(run_with("a.npy", npy("|u1", "(1, 3)", "abc")), 1, "STROP-E702");
  expect_failure(run_with("b.npy", npy("<f4", "(3,)", floats({1, 2, 3}))), 1, "STROP-E703");
  expect_failure(run_with("c.npy", npy("<f4", "(1, 2)", floats({1, 2}))), 1, "STROP-E704");
  expect_failure(run_with("d.npy", npy("<f4", "(1, 3)", floats({1, 2}))), 1, "STROP-E707");
  expect_failure(run_with("e.npy", "no array"), 1, "STROP-E707");
  expect_failure(run_with("f.npz", "no archive"), 1, "f.npz");
  expect_failure(run_with("g.png", "no picture"), 1, "g.png");
  expect_failure(run_with("h.jpg", "no picture"), 1, "h.jpg");
  expect_failure(run_with("i.txt", "1 2 3"), 1, "i.txt");
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out/y.npy")));
}

TEST_F(CommandLine, damaged_engines_are_refused) {
  const std::string path = engine();
  const std::string whole = folder_.content("relu.strop");
  expect_failure(strop({"run", folder_.file("cut.strop", whole.substr(0, whole.size() / 2))}), 1,
                 "STROP-E5");
  std::string flipped = whole;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  expect_failure(strop({"run", folder_.file("flipped.strop", flipped)}), 1, "STROP-E502");
}

TEST_F(CommandLine, json_of_every_command_parses) {
  const std::string path = engine();
  const json engine_found = json::parse(strop({"inspect", path, "--json"}, false).output);
  EXPECT_EQ(engine_found.at("kind"), "engine");
  EXPECT_EQ(engine_found.at("steps").size(), 1u);
  const json model_found = json::parse(strop({"inspect", model(), "--json"}, false).output);
  EXPECT_EQ(model_found.at("operators").at("Relu"), 1);
  EXPECT_TRUE(model_found.at("problems").empty());
  const json head = json::parse(strop({"inspect", path, "--header", "--json"}, false).output);
  EXPECT_FALSE(head.contains("steps"));
  EXPECT_TRUE(json::parse(strop({"doctor", "--json"}, false).output).contains("backends"));
  const std::string input = folder_.file("x.npy", npy("<f4", "(2, 3)", floats({1, 2, 3, 4, 6, 5})));
  const json ran = json::parse(strop({"run", path, "--input", input, "--labels",
                                      folder_.file("labels.txt", "cat\ndog\ncow\n"), "--top", "2",
                                      "--output", folder_.path("out"), "--json", "-"},
                                     false)
                                   .output);
  const json& output = ran.at("outputs").at(0);
  EXPECT_EQ(output.at("name"), "y");
  EXPECT_EQ(output.at("type"), "f32[2,3]");
  EXPECT_EQ(output.at("file"), folder_.path("out") + "/y.npy");
  EXPECT_EQ(output.at("top").at(1), json::parse(R"([{"index":1,"score":6.0,"label":"dog"},
                                                    {"index":2,"score":5.0,"label":"cow"}])"));
  const json measured = json::parse(
      strop({"bench", path, "--shape", "x=4x3", "--duration", "0.05", "--profile", "--json", "-"},
            false)
          .output);
  EXPECT_EQ(measured.at("inputs").at("x"), "f32[4,3]");
  EXPECT_LE(measured.at("latency_ms").at("min"), measured.at("latency_ms").at("median"));
  EXPECT_LE(measured.at("latency_ms").at("median"), measured.at("latency_ms").at("max"));
  EXPECT_GT(measured.at("throughput_per_s"), 0.0);
  EXPECT_EQ(measured.at("steps").size(), 1u);
}

TEST_F(CommandLine, page_of_operators_is_what_the_program_says) {
  std::ifstream page("../docs/operators.md", std::ios::binary);
  const std::string written{std::istreambuf_iterator<char>(page), {}};
  const std::string said = strop({"operators", "--markdown"}, false).output;
  EXPECT_EQ(said, written) << "run: strop operators --markdown > docs/operators.md";
  const json all = json::parse(strop({"operators", "--json"}, false).output);
  EXPECT_GT(all.at("imported").size(), 100u);
  EXPECT_GT(all.at("operators").size(), 50u);
}

TEST_F(CommandLine, inspect_reports_the_problems_of_a_model) {
  const std::string path = folder_.file(
      "m.onnx", onnx::wire::one_node_model({"Frobnicate", {"x"}, {"y"}, {}, "node_7", {}, {}}));
  const ProgramResult result = strop({"inspect", path, "--json"}, false);
  EXPECT_EQ(result.exit_code, 0);
  const json found = json::parse(result.output);
  ASSERT_EQ(found.at("problems").size(), 1u);
  EXPECT_EQ(found.at("problems")[0].at("code"), "STROP-E303");
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Engines from the model to the outputs with every CUDA kernel on the processor.
#include <algorithm>

#include "backends/cuda/emulated/emulated_gpu.hpp"
#include "backends/cuda/emulated/shuffle_model.hpp"

namespace strop::testing {
namespace {

class EmulatedEngine : public ::testing::TestWithParam<const char*> {};

TEST_P(EmulatedEngine, agrees_with_the_reference) {
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  check_engine_on_emulated_gpu(ShuffleModel().write(), {1, 3, 23, 21}, emulated_config(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(precisions, EmulatedEngine, ::testing::Values("fp32", "fp16"));

// Rows by their numbers, of which there are as many as samples, cut into pieces and put together.
std::string model_of_open_batch() {
  namespace wire = onnx::wire;
  wire::ModelParts parts;
  auto& graph = parts.graph;
  const auto numbers = [&](const char* name, const std::vector<std::int64_t>& values) {
    graph.initializers.push_back(
        wire::int64_tensor(name, {static_cast<std::int64_t>(values.size())}, values));
  };
  const auto emit = [&](const char* op, std::vector<std::string> inputs, const char* output,
                        std::vector<wire::Message> attributes = {}) {
    graph.nodes.push_back({op, std::move(inputs), {output}, std::move(attributes), {}, {}, {}});
  };
  graph.initializers.push_back(wire::int64_tensor("zero", {}, {0}));
  graph.initializers.push_back(wire::int64_tensor("one", {}, {1}));
  numbers("axis", {0});
  numbers("pieces", {2, 3});
  numbers("whole", {12});
  emit("Shape", {"x"}, "shape");
  emit("Gather", {"shape", "zero"}, "samples");
  emit("Unsqueeze", {"samples", "axis"}, "vector");
  emit("Range", {"zero", "samples", "one"}, "order");
  emit("Gather", {"x", "order"}, "rows");
  emit("Concat", {"vector", "pieces"}, "cut", {wire::int_attribute("axis", 0)});
  emit("Concat", {"vector", "whole"}, "joined", {wire::int_attribute("axis", 0)});
  emit("Reshape", {"rows", "cut"}, "a");
  emit("Sigmoid", {"a"}, "b");
  emit("Concat", {"a", "b"}, "c", {wire::int_attribute("axis", 2)});
  emit("Reshape", {"c", "joined"}, "d");
  emit("Neg", {"d"}, "y");
  graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {"N", 6}))};
  graph.outputs = {wire::value_info("y", wire::tensor_type(wire::kFloat, {"N", 12}))};
  return wire::model(parts);
}

TEST(EmulatedOpenBatch, runs_on_the_device_alone) {
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  for (const char* precision : {"fp32", "fp16"}) {
    const BuildResult built = build_model(onnx::wire::as_bytes(model_of_open_batch()), nullptr,
                                          emulated_config(precision));
    EXPECT_EQ(built.report.lowering.notes, std::vector<std::string>{});
    for (const char* tactic : {"range_cuda", "region_cuda"}) {
      EXPECT_TRUE(std::ranges::any_of(built.report.lowering.nodes, [&](const NodeReport& node) {
        return node.tactic == tactic;
      })) << tactic;
    }
    check_engine_on_emulated_gpu(model_of_open_batch(), {5, 6}, emulated_config(precision));
  }
}

}  // namespace
}  // namespace strop::testing

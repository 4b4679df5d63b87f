// SPDX-License-Identifier: Apache-2.0
// Engines from the model to the outputs with every CUDA kernel on the processor.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "backends/cuda/emulated/emulated_gpu.hpp"
#include "backends/cuda/emulated/shuffle_model.hpp"
#include "backends/cuda/host_copies_check.hpp"

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

// Counts what it gives, and gives nothing once `left` is used up.
struct CountingAllocator {
  std::map<void*, std::uint64_t> held;
  std::size_t given = 0;
  std::int64_t left = std::int64_t{1} << 30;
  std::size_t shift = 0;  // from where memory should begin

  static void* allocate(void* user, std::uint64_t bytes, std::int32_t device) {
    auto& self = *static_cast<CountingAllocator*>(user);
    EXPECT_EQ(device, 0);
    self.left -= static_cast<std::int64_t>(bytes);
    if (self.left < 0) return nullptr;
    void* memory = std::aligned_alloc(256, (bytes + 511) / 256 * 256);
    memory = static_cast<char*>(memory) + self.shift;
    self.held.emplace(memory, bytes);
    ++self.given;
    return memory;
  }
  static void release(void* user, void* memory, std::uint64_t bytes, std::int32_t) {
    auto& self = *static_cast<CountingAllocator*>(user);
    const auto at = self.held.find(memory);
    ASSERT_NE(at, self.held.end());
    EXPECT_EQ(at->second, bytes);
    self.held.erase(at);
    std::free(static_cast<char*>(memory) - self.shift);
  }
  ContextOptions options() {
    ContextOptions out;
    out.device_allocator = {allocate, release, this};
    return out;
  }
};

TEST(EmulatedCopies, of_pageable_memory_are_whole) {
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  check_host_copies();
}

TEST(EmulatedAllocator, is_the_caller_s) {
  if (!emulate_gpu()) GTEST_SKIP() << "the stand-ins for a GPU are not there, or g++";
  BuildResult built =
      build_model(onnx::wire::as_bytes(model_of_open_batch()), nullptr, emulated_config("fp32"));
  const auto engine = std::make_shared<const Engine>(std::move(built.engine));
  const auto run = [&](const ContextOptions& options) {
    Context context(engine, options);
    Tensor y;
    for (const std::int64_t samples : {5, 50, 3}) {  // its memory grows once
      context.bind("x", random_tensor(DType::f32, {samples, 6}, 1));
      context.run();
      y = context.output_tensor("y").clone();
    }
    return y;
  };
  CountingAllocator allocator;
  EXPECT_TRUE(run(allocator.options()).identical(run({})));
  EXPECT_GT(allocator.given, 0u);
  EXPECT_TRUE(allocator.held.empty());

  const auto code_with = [&](CountingAllocator& given) {
    try {
      run(given.options());
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  CountingAllocator empty, uneven;
  empty.left = 0;
  EXPECT_EQ(code_with(empty), ErrorCode::out_of_memory);
  uneven.shift = 64;
  EXPECT_EQ(code_with(uneven), ErrorCode::bad_argument);
  EXPECT_TRUE(uneven.held.empty());
}

}  // namespace
}  // namespace strop::testing

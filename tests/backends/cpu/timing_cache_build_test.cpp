// SPDX-License-Identifier: Apache-2.0
// Builds that share a timing cache.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "backends/cpu/kernels/backend.hpp"
#include "backends/reference/reference_backend.hpp"
#include "builder/pipeline.hpp"
#include "plan/engine_file.hpp"
#include "runtime/backend_loader.hpp"
#include "support/model_writer.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

// A convolution with a window of that size, and a product behind it.
std::string model(std::int64_t window) {
  using namespace onnx::wire;
  const std::int64_t channels = 20, size = 12;
  const auto values = [](std::int64_t count) {
    std::vector<float> out;
    for (std::int64_t i = 0; i < count; ++i)
      out.push_back(static_cast<float>(i * 37 % 101 - 50) / 50);
    return out;
  };
  const auto step = [](const char* op, std::vector<std::string> inputs, const char* output,
                       std::vector<Message> attributes = {}) {
    return onnx::wire::Node{.op = op,
                            .inputs = std::move(inputs),
                            .outputs = {output},
                            .attributes = std::move(attributes),
                            .name = {},
                            .domain = {},
                            .overload = {}};
  };
  ModelParts parts;
  parts.graph.nodes = {step("Conv", {"x", "w"}, "a", {ints_attribute("pads", {1, 1, 1, 1})}),
                       step("Relu", {"a"}, "b"), step("GlobalAveragePool", {"b"}, "c"),
                       step("Flatten", {"c"}, "d"), step("MatMul", {"d", "m"}, "y")};
  parts.graph.inputs = {value_info("x", tensor_type(kFloat, {1, channels, size, size}))};
  parts.graph.outputs = {value_info("y", tensor_type(kFloat, {1, 10}))};
  parts.graph.initializers = {float_tensor("w", {channels, channels, window, window},
                                           values(channels * channels * window * window)),
                              float_tensor("m", {channels, 10}, values(channels * 10))};
  return onnx::wire::model(parts);
}

class TimingCacheBuild : public ::testing::Test {
 protected:
  TimingCacheBuild() {
    register_backend(reference_backend());
    register_backend(cpu::backend_table());
    config_.timing_cache = folder_.path("timings");
    config_.threads = 1;
  }
  BuildResult build(const std::string& of) const {
    return build_model(onnx::wire::as_bytes(of), nullptr, config_);
  }
  static bool notes(const BuildResult& result, const std::string& text) {
    return std::ranges::any_of(result.report.notes, [&](const std::string& note) {
      return note.find(text) != std::string::npos;
    });
  }

  testing::TemporaryFolder folder_;
  BuildConfig config_;
};

TEST_F(TimingCacheBuild, with_the_same_timings_gives_the_same_bytes) {
  const std::string conv = model(3);
  const BuildResult first = build(conv), second = build(conv);
  EXPECT_GT(first.report.timed_problems, 0u);
  EXPECT_EQ(second.report.timed_problems, 0u);
  EXPECT_EQ(serialize_engine(first.engine), serialize_engine(second.engine));
}

TEST_F(TimingCacheBuild, at_the_same_time_lose_no_timings) {
  const std::string one = model(3), other = model(2);
  std::thread beside([&] { build(one); });
  build(other);
  beside.join();
  EXPECT_EQ(build(one).report.timed_problems, 0u);
  EXPECT_EQ(build(other).report.timed_problems, 0u);
}

TEST_F(TimingCacheBuild, with_a_damaged_cache_times_anew_and_says_so) {
  const std::string conv = model(3);
  build(conv);
  std::string text = folder_.content("timings");
  const std::size_t digit = text.find_last_of("0123456789");
  text[digit] = text[digit] == '1' ? '2' : '1';
  folder_.file("timings", text);
  const BuildResult result = build(conv);
  EXPECT_GT(result.report.timed_problems, 0u);
  EXPECT_TRUE(notes(result, "set aside"));
  EXPECT_EQ(folder_.content("timings.set-aside"), text);
  EXPECT_EQ(build(conv).report.timed_problems, 0u);
}

TEST_F(TimingCacheBuild, that_cannot_be_kept_is_a_note) {
  config_.timing_cache = folder_.path("no such folder") + "/timings";
  EXPECT_TRUE(notes(build(model(3)), "is not written"));
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// The example plugin: its values by hand, its kernels against its reference, hostile data.
#include <cmath>
#include <limits>

#include "base/os/cpu_features.hpp"
#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"

#include "plugin/attention_model.hpp"
#include "plugin/plugin_support.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::expect_error;
using testing::floats;
using testing::PlanMaker;
using testing::values_of;

constexpr const char* kOperator = "mmdeploy::MMCVMultiScaleDeformableAttention:1";

class DeformableAttention : public ::testing::Test {
 protected:
  void SetUp() override { use_plugins({STROP_DEFORMABLE_ATTENTION}); }

  static Graph graph() {
    return testing::parse(std::string(R"(graph main(%v: f32[N,S,M,D], %s: i64[L,2], %b: i64[L],
      %x: f32[N,Q,M,L,P,2], %w: f32[N,Q,M,L,P]) -> (%y) { %y = )") +
                          kOperator + "{im2col_step=8}(%v, %s, %b, %x, %w) }");
  }
  static Tensor indices(Shape shape, const std::vector<std::int64_t>& values) {
    return Tensor::from<std::int64_t>(std::move(shape), values);
  }
  // One level of 2 x 2 with pixels 1, 2, 3, 4; one head of one channel; one query with one point.
  static float at(float x, float y, float weight = 1) {
    const Tensor out = testing::evaluate_one(
        graph(), {floats({1, 4, 1, 1}, {1, 2, 3, 4}), indices({1, 2}, {2, 2}), indices({1}, {0}),
                  floats({1, 1, 1, 1, 1, 2}, {x, y}), floats({1, 1, 1, 1, 1}, {weight})});
    EXPECT_EQ(out.shape(), (Shape{1, 1, 1}));
    return values_of(out)[0];
  }
};

TEST_F(DeformableAttention, samples_between_pixels) {
  EXPECT_EQ(at(0.25f, 0.25f), 1);
  EXPECT_EQ(at(0.75f, 0.25f), 2);
  EXPECT_EQ(at(0.5f, 0.5f), 2.5f);
  EXPECT_EQ(at(0.5f, 0.75f, 2), 7);
  EXPECT_EQ(at(0, 0), 0.25f);   // three of the four pixels are outside
  EXPECT_EQ(at(1, 0.25f), 1);   // half of the 2
  EXPECT_EQ(at(-0.25f, 0), 0);  // as far from any pixel as counts for nothing
  EXPECT_EQ(at(1.25f, 0.5f), 0);
  EXPECT_EQ(at(1e30f, 0.5f), 0);
  EXPECT_EQ(at(std::numeric_limits<float>::quiet_NaN(), 0.5f), 0);
  EXPECT_EQ(at(0.5f, -std::numeric_limits<float>::infinity()), 0);
}

TEST_F(DeformableAttention, keeps_open_sizes) {
  const Graph g = graph();
  EXPECT_EQ(g.value(g.outputs()[0]).type.to_string(), "f32[N,Q,D*M]");
  expect_error(
      error_of([] {
        testing::parse(std::string("graph main(%v: f32[1,4,2,1], %s: i64[1,2], %b: i64[1], "
                                   "%x: f32[1,5,3,1,1,2], %w: f32[1,5,2,1,1]) -> (%y) { %y = ") +
                       kOperator + "(%v, %s, %b, %x, %w) }");
      }),
      ErrorCode::bad_shape, "heads of value and sampling_locations");
}

// What each kernel gives for the inputs, in the order of the operator.
Tensor run_kernel(const std::string& kernel, const std::vector<Tensor>& inputs) {
  static const char* const types[] = {"f32[N,S,M,D]", "i64[L,2]", "i64[L]", "f32[N,Q,M,L,P,2]",
                                      "f32[N,Q,M,L,P]"};
  PlanMaker maker;
  std::vector<std::uint32_t> slots;
  for (std::size_t i = 0; i < 5; ++i)
    slots.push_back(maker.input("i" + std::to_string(i), types[i]));
  const auto y = maker.arena("y", "f32[N,Q,M*D]");
  maker.step(std::string(kOperator) + "/" + kernel, slots, {y}, "", "plugin");
  maker.output("y", y);
  Context context(maker.engine());
  for (std::size_t i = 0; i < 5; ++i) context.bind("i" + std::to_string(i), inputs[i]);
  context.run();
  return context.output_tensor("y").clone();
}

std::vector<Tensor> random_inputs(std::int64_t batch, std::int64_t queries, std::int64_t heads,
                                  std::int64_t depth, std::int64_t points) {
  const std::vector<std::int64_t> shapes = {5, 7, 3, 2, 1, 1, 0, 4};
  const std::vector<std::int64_t> starts = {0, 35, 41, 42};
  const std::int64_t levels = 4;
  std::vector<Tensor> out = {
      random_tensor(DType::f32, {batch, 42, heads, depth}, 1),
      Tensor::from<std::int64_t>({levels, 2}, shapes), Tensor::from<std::int64_t>({levels}, starts),
      random_tensor(DType::f32, {batch, queries, heads, levels, points, 2}, 2),
      random_tensor(DType::f32, {batch, queries, heads, levels, points}, 3)};
  // From -1..1 to -0.3..1.3, so that some lie outside.
  for (float& x : out[3].mutable_values<float>()) x = x * 0.8f + 0.5f;
  return out;
}

TEST_F(DeformableAttention, kernels_give_what_the_reference_gives) {
  const auto* op = plugin_operator(*find_operator(kOperator));
  ASSERT_NE(op, nullptr);
  for (const std::int64_t depth : {1, 8, 13, 32}) {
    for (const std::int64_t queries : {0, 1, 50}) {
      const std::vector<Tensor> inputs = random_inputs(2, queries, 3, depth, 4);
      const Tensor expected = testing::evaluate_one(graph(), {inputs.begin(), inputs.end()});
      int compared = 0;
      for (const PluginKernel& kernel : op->kernels) {
        if (!kernel.missing_instruction_set().empty() || (kernel.name == "rows_avx2" && depth < 8))
          continue;
        SCOPED_TRACE(kernel.name + ", " + std::to_string(depth) + " channels");
        const Tensor got = run_kernel(kernel.name, inputs);
        const Difference difference = compare(got, expected, 1e-5);
        EXPECT_LE(difference.largest_relative, 1e-5) << difference.text;
        ++compared;
      }
      EXPECT_GE(compared, 1);
    }
  }
}

TEST_F(DeformableAttention, levels_that_lead_out_of_the_data_are_refused) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> hostile[] = {
      {{5, 9, 3, 2, 1, 1, 0, 4}, {0, 35, 41, 42}},
      {{5, 7, 3, 2, 1, 1, 0, 4}, {0, 35, 42, 42}},
      {{5, 7, 3, 2, 1, 1, 0, 4}, {-1, 35, 41, 42}},
      {{-5, -7, 3, 2, 1, 1, 0, 4}, {0, 35, 41, 42}},
      {{kMost, 2, 3, 2, 1, 1, 0, 4}, {0, 35, 41, 42}},
      {{1LL << 32, 1LL << 32, 3, 2, 1, 1, 0, 4}, {0, 35, 41, 42}},
      {{5, 7, 3, 2, 1, 1, 0, 4}, {kMost, 35, 41, 42}},
      {{5, 7, 3, 2, 1, 1, 0, 4}, {0, 35, 41, 43}},
  };
  for (const auto& [shapes, starts] : hostile) {
    std::vector<Tensor> inputs = random_inputs(1, 2, 1, 8, 1);
    inputs[1] = indices({4, 2}, shapes);
    inputs[2] = indices({4}, starts);
    expect_error(error_of([&] {
                   testing::evaluate_one(graph(), {inputs.begin(), inputs.end()});
                 }),
                 ErrorCode::bad_value, "does not fit into value");
    expect_error(error_of([&] { run_kernel("rows", inputs); }), ErrorCode::bad_value,
                 "does not fit into value");
  }
  // Nothing of a level without columns is read.
  std::vector<Tensor> inputs = random_inputs(1, 2, 1, 8, 1);
  inputs[1] = indices({4, 2}, {5, 7, 3, 2, 1, 1, kMost, 0});
  const Tensor expected = testing::evaluate_one(graph(), {inputs.begin(), inputs.end()});
  EXPECT_LE(compare(run_kernel("rows", inputs), expected, 1e-5).largest_relative, 1e-5);
}

TEST_F(DeformableAttention, timings_are_of_a_version_of_the_plugin) {
  if (!os::cpu_features().avx2) GTEST_SKIP() << "there is one kernel, and nothing to time";
  const testing::TemporaryFolder folder;
  BuildConfig config;
  config.timing_cache = folder.path("timings");
  const std::string model = testing::attention_model();
  const auto build = [&] { return build_model(onnx::wire::as_bytes(model), nullptr, config); };
  EXPECT_EQ(build().report.timed_problems, 1u);
  EXPECT_NE(folder.content("timings").find("of deformable_attention 1.0 at"), std::string::npos);
  const BuildResult again = build();
  EXPECT_EQ(again.report.timed_problems, 0u);
  EXPECT_EQ(again.report.lowering.nodes.at(0).timings.size(), 2u);
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Every kind of slot, segments and cuts, prepared shapes, output memory.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backends/reference/reference_backend.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"
#include "runtime/plan_maker.hpp"
#include "runtime/test_backend.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::PlanMaker;

class Slots : public ::testing::Test {
 protected:
  Slots() {
    register_backend(reference_backend());
    testing::register_test_backend();
  }
};

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

std::vector<std::int64_t> integers(const Tensor& tensor) { return tensor.to_i64(); }

// x -> +1 -> +1 -> ... in planned memory.
std::shared_ptr<const Engine> chain(int length, std::string_view type = "f32[N,4]") {
  PlanMaker maker;
  std::uint32_t at = maker.input("x", type);
  for (int i = 0; i < length; ++i) {
    const std::uint32_t next = maker.arena("t" + std::to_string(i), type);
    maker.step("add_one", {at}, {next}, "", "test");
    at = next;
  }
  maker.output("y", at);
  return maker.engine();
}

TEST_F(Slots, arena_slots_share_memory_whose_lifetimes_do_not_overlap) {
  Context context(chain(20, "f32[1024]"));
  context.bind("x", Tensor::zeros(DType::f32, {1024}));
  context.run();
  EXPECT_EQ(context.output_tensor("y").values<float>()[1023], 20.0f);
  EXPECT_LE(context.peak_memory_bytes(), 3 * 4096);
}

TEST_F(Slots, reference_kernel_reads_and_writes_in_place) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,3]");
  const auto y = maker.arena("y", "f32[N,3]");
  maker.step("softmax", {x}, {y});
  maker.output("probabilities", y);
  Context context(maker.engine());
  context.bind("x", Tensor::from<float>({2, 3}, {0, 0, 0, 1000, 0, 0}));
  context.run();
  const auto got = floats(context.output_tensor("probabilities"));
  EXPECT_FLOAT_EQ(got[0], 1.0f / 3);
  EXPECT_FLOAT_EQ(got[3], 1.0f);
}

TEST_F(Slots, nan_is_data) {
  Context context(chain(1));
  context.bind("x",
               Tensor::from<float>({1, 4}, {std::numeric_limits<float>::quiet_NaN(), 1, 2, 3}));
  context.run();
  const auto got = floats(context.output_tensor("y"));
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_EQ(got[3], 4.0f);
}

TEST_F(Slots, alias_is_its_root_under_another_shape) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,4]");
  const auto t = maker.arena("t", "f32[N,4]");
  const auto flat = maker.alias("flat", t, "f32[4*N]");
  const auto y = maker.arena("y", "f32[4*N]");
  const auto flat_input = maker.alias("flat_input", x, "f32[4*N]");
  maker.step("add_one", {x}, {t}, "", "test");
  maker.step("add", {flat, flat_input}, {y}, "", "test");
  maker.output("y", y);
  maker.output("flat", flat);
  Context context(maker.engine());
  for (const float first : {1.0f, 5.0f}) {
    const Tensor input = Tensor::from<float>({1, 4}, {first, 2, 3, 4});
    context.bind("x", input);
    context.run();
    EXPECT_EQ(floats(context.output_tensor("y")), (std::vector<float>{2 * first + 1, 5, 7, 9}));
    EXPECT_EQ(floats(context.output_tensor("flat")), (std::vector<float>{first + 1, 3, 4, 5}));
  }
}

TEST_F(Slots, alias_of_other_size_is_refused_when_shapes_are_known) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,M]");
  const auto y = maker.arena("y", "f32[4]");
  const auto four = maker.alias("four", x, "f32[4]");
  maker.step("add_one", {four}, {y}, "", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::zeros(DType::f32, {2, 2}));
  context.run();
  context.bind("x", Tensor::zeros(DType::f32, {1, 3}));
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::bad_shape);
}

TEST_F(Slots, elements_follow_from_the_shapes) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,C]");
  const auto sizes = maker.sizes("sizes", {Dim::parse("C"), Dim::parse("2*N"), Dim(7)});
  const auto shape = maker.sizes("shape", {Dim::parse("C"), Dim::parse("N")});
  const auto y = maker.arena("y", "f32[C,N]");
  maker.step("reshape", {x, shape}, {y});
  maker.output("y", y);
  maker.output("sizes", sizes);
  Context context(maker.engine());
  for (const std::int64_t n : {2, 5, 2}) {
    context.bind("x", Tensor::zeros(DType::f32, {n, 3}));
    context.run();
    EXPECT_EQ(context.output_tensor("y").shape(), (Shape{3, n}));
    EXPECT_EQ(integers(context.output_tensor("sizes")), (std::vector<std::int64_t>{3, 2 * n, 7}));
  }
}

// Nobody reads the sizes themselves, only the same memory under another shape.
TEST_F(Slots, sizes_may_be_read_through_an_alias_alone) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto shape =
      maker.alias("shape", maker.sizes("sizes", {Dim(1), Dim::parse("N")}), "i64[2]");
  const auto y = maker.arena("y", "f32[1,N]");
  const auto count = maker.alias("count", maker.sizes("one", {Dim::parse("2*N")}), "i64[]");
  maker.step("reshape", {x, shape}, {y});
  maker.output("y", y);
  maker.output("count", count);
  Context context(maker.engine());
  for (const std::int64_t n : {2, 5}) {
    context.bind("x", Tensor::zeros(DType::f32, {n}));
    context.run();
    EXPECT_EQ(context.output_tensor("y").shape(), (Shape{1, n}));
    EXPECT_EQ(integers(context.output_tensor("count")), (std::vector<std::int64_t>{2 * n}));
  }
}

TEST_F(Slots, constants_and_inputs_may_be_outputs) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto c = maker.constant("c", Tensor::from<float>({2}, {8, 9}));
  maker.output("x_again", x);
  maker.output("c", c);
  Context context(maker.engine());
  context.bind("x", Tensor::from<float>({3}, {1, 2, 3}));
  context.run();
  EXPECT_EQ(floats(context.output_tensor("x_again")), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(floats(context.output_tensor("c")), (std::vector<float>{8, 9}));
}

TEST_F(Slots, absent_inputs_and_outputs_are_absent) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[4]");
  const auto y = maker.arena("y", "f32[2,2]");
  const auto shape = maker.constant("shape", Tensor::from<std::int64_t>({2}, {2, 2}));
  maker.step("reshape", {x, shape}, {y});
  maker.step("add_one", {x, kNoSlot}, {maker.arena("unused", "f32[4]"), kNoSlot}, "", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::from<float>({4}, {1, 2, 3, 4}));
  context.run();
  EXPECT_EQ(context.output_tensor("y").shape(), (Shape{2, 2}));
}

// A size that only the data tells, and steps after it.
std::shared_ptr<const Engine> data_dependent() {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto before = maker.arena("before", "f32[N]");
  const auto p = maker.dynamic("p", "f32[#.0]");
  const auto q = maker.arena("q", "f32[#.0]");
  const auto size = maker.sizes("size", {Dim::parse("#.0"), Dim::parse("N")});
  const auto row = maker.alias("row", q, "f32[1,#.0]");
  maker.step("add_one", {x}, {before}, "", "test");
  maker.step("positive", {before}, {p}, "", "test").cut = true;
  maker.step("add_one", {p}, {q}, "", "test");
  maker.output("q", q);
  maker.output("size", size);
  maker.output("row", row);
  maker.output("before", before);
  return maker.engine();
}

TEST_F(Slots, sizes_behind_a_cut_become_known_in_the_run) {
  Context context(data_dependent());
  const std::vector<std::vector<float>> inputs = {{1, -3, 2}, {4, 5, 6}, {-9, -9, -9}, {1, -3, 2}};
  for (const auto& input : inputs) {
    context.bind("x", Tensor::from<float>({3}, input));
    context.run();
    std::vector<float> wanted;
    for (const float x : input) {
      if (x + 1 > 0) wanted.push_back(x + 2);
    }
    const auto n = static_cast<std::int64_t>(wanted.size());
    EXPECT_EQ(floats(context.output_tensor("q")), wanted);
    EXPECT_EQ(integers(context.output_tensor("size")), (std::vector<std::int64_t>{n, 3}));
    EXPECT_EQ(context.output_tensor("row").shape(), (Shape{1, n}));
    EXPECT_EQ(context.output_tensor("before").values<float>()[0], input[0] + 1);
  }
}

TEST_F(Slots, empty_tensors_are_legal) {
  Context context(chain(3));
  context.bind("x", DType::f32, std::vector<std::int64_t>{0, 4}, nullptr, 0, BindMode::reference);
  context.run();
  EXPECT_EQ(context.output_tensor("y").shape(), (Shape{0, 4}));
  EXPECT_NE(context.output("y").data, nullptr);

  Context dependent(data_dependent());
  dependent.bind("x", Tensor::zeros(DType::f32, {0}));
  dependent.run();
  EXPECT_EQ(dependent.output_tensor("q").size(), 0);
}

TEST_F(Slots, each_shape_is_prepared_once_within_the_bound) {
  auto& counts = testing::test_backend_counts();
  ContextOptions options;
  options.prepared_shapes = 2;
  Context context(chain(1), options);
  const auto run = [&](std::int64_t n) {
    const int before = counts.prepared;
    context.bind("x", Tensor::zeros(DType::f32, {n, 4}));
    context.run();
    EXPECT_EQ(context.output_tensor("y").shape(), (Shape{n, 4}));
    return counts.prepared - before;
  };
  const int created = counts.created;
  EXPECT_EQ(run(1), 1);
  EXPECT_EQ(run(2), 1);
  EXPECT_EQ(run(1), 0);
  EXPECT_EQ(run(2), 0);
  EXPECT_EQ(run(3), 1);  // takes the place of 1
  EXPECT_EQ(run(2), 0);
  EXPECT_EQ(run(1), 1);
  EXPECT_EQ(counts.created - created, 2);
}

TEST_F(Slots, instances_are_destroyed_with_the_context) {
  auto& counts = testing::test_backend_counts();
  const int alive = counts.created - counts.destroyed;
  {
    Context context(chain(3));
    context.bind("x", Tensor::zeros(DType::f32, {1, 4}));
    context.run();
    EXPECT_EQ(counts.created - counts.destroyed, alive + 3);
  }
  EXPECT_EQ(counts.created - counts.destroyed, alive);
}

TEST_F(Slots, prepare_pays_in_advance) {
  auto& counts = testing::test_backend_counts();
  Context context(chain(2));
  context.prepare(std::vector<NamedShape>{{"x", {6, 4}}});
  const int prepared = counts.prepared;
  context.bind("x", Tensor::zeros(DType::f32, {6, 4}));
  context.run();
  EXPECT_EQ(counts.prepared, prepared);
  EXPECT_EQ(context.output_tensor("y").values<float>()[23], 2.0f);
}

TEST_F(Slots, prepare_leaves_what_is_bound) {
  Context context(chain(1));
  context.bind("x", Tensor::from<float>({1, 4}, {1, 2, 3, 4}));
  context.prepare(std::vector<NamedShape>{{"x", {9, 4}}});
  context.run();
  EXPECT_EQ(floats(context.output_tensor("y")), (std::vector<float>{2, 3, 4, 5}));
}

TEST_F(Slots, output_is_computed_in_bound_memory) {
  for (const bool aligned : {true, false}) {
    Context context(chain(2));
    alignas(64) float memory[17] = {};
    float* target = aligned ? memory : memory + 1;
    context.bind("x", Tensor::from<float>({1, 4}, {1, 2, 3, 4}));
    context.bind_output("y", target, 16 * sizeof(float));
    context.run();
    EXPECT_EQ(context.output("y").data, target);
    EXPECT_EQ(std::vector<float>(target, target + 4), (std::vector<float>{3, 4, 5, 6}));
    // Another shape in the same memory, then memory of the context again.
    context.bind("x", Tensor::zeros(DType::f32, {4, 4}));
    context.run();
    EXPECT_EQ(target[15], 2.0f);
    context.bind_output("y", nullptr, 0);
    context.bind("x", Tensor::from<float>({1, 4}, {7, 7, 7, 7}));
    context.run();
    EXPECT_NE(context.output("y").data, target);
    EXPECT_EQ(context.output_tensor("y").values<float>()[0], 9.0f);
    EXPECT_EQ(target[0], 2.0f);
  }
}

TEST_F(Slots, output_memory_that_is_too_small_is_refused) {
  for (const bool aligned : {true, false}) {
    Context context(chain(1));
    alignas(64) float memory[5] = {-1, -1, -1, -1, -1};
    context.bind_output("y", aligned ? memory : memory + 1, 4 * sizeof(float));
    context.bind("x", Tensor::zeros(DType::f32, {2, 4}));
    const Error error = error_of([&] { context.run(); });
    EXPECT_EQ(error.code(), ErrorCode::bad_argument);
    EXPECT_NE(error.message().find("32 bytes"), std::string::npos) << error.message();
    EXPECT_EQ(memory[4], -1.0f);
  }
}

TEST_F(Slots, dynamic_output_is_copied_to_bound_memory) {
  Context context(data_dependent());
  float memory[3] = {};
  context.bind_output("q", memory, sizeof memory);
  context.bind("x", Tensor::from<float>({3}, {1, 2, 3}));
  context.run();
  EXPECT_EQ(memory[2], 5.0f);
}

}  // namespace
}  // namespace strop

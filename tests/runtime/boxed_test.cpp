// SPDX-License-Identifier: Apache-2.0
// Values outside of plain memory through the runtime: sequences, optionals, nested graphs of the
// reference backend.
#include <gtest/gtest.h>

#include "backends/reference/reference_backend.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/context.hpp"
#include "runtime/plan_maker.hpp"
#include "runtime/test_backend.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::PlanMaker;

class Boxed : public ::testing::Test {
 protected:
  Boxed() {
    register_backend(reference_backend());
    testing::register_test_backend();
  }
};

std::vector<float> floats(const StropAbiValue& value) {
  const auto* data = static_cast<const float*>(value.data);
  return std::vector<float>(data, data + value.bytes / sizeof(float));
}

std::vector<float> element(Context& context, const char* name, std::uint64_t index) {
  StropAbiValue value{};
  EXPECT_EQ(context.boxes().box_element(context.output(name).boxed, index, &value), 0);
  return floats(value);
}

std::uint64_t count(Context& context, const char* name) {
  std::uint32_t kind = 0, rank = 0;
  const std::int64_t* dims = nullptr;
  std::uint64_t count = 0;
  context.boxes().box_describe(context.output(name).boxed, &kind, &rank, &dims, &count);
  return count;
}

TEST_F(Boxed, sequence_is_made_and_read) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N]");
  const auto x1 = maker.arena("x1", "f32[N]");
  const auto x2 = maker.arena("x2", "f32[N]");
  const auto s = maker.boxed("s", "seq(f32[*])");
  const auto one = maker.constant("one", Tensor::scalar<std::int64_t>(1));
  const auto y = maker.dynamic("y", "f32[*]");
  maker.step("add_one", {x}, {x1}, "", "test");
  maker.step("sequence_construct", {x, x1}, {s});
  maker.step("add_one", {x1}, {x2}, "", "test");
  maker.step("sequence_at", {s, one}, {y}).cut = true;
  maker.output("s", s);
  maker.output("y", y);
  maker.output("x2", x2);
  Context context(maker.engine());
  for (const float first : {1.0f, 7.0f}) {
    const Tensor x_now = Tensor::from<float>({2}, {first, 2});
    context.bind("x", x_now);
    context.run();
    EXPECT_EQ(count(context, "s"), 2u);
    EXPECT_EQ(element(context, "s", 0), (std::vector<float>{first, 2}));
    EXPECT_EQ(element(context, "s", 1), (std::vector<float>{first + 1, 3}));
    EXPECT_EQ(floats(context.output("y")), (std::vector<float>{first + 1, 3}));
    EXPECT_EQ(floats(context.output("x2")), (std::vector<float>{first + 2, 4}));
  }
  StropAbiValue none{};
  EXPECT_NE(context.boxes().box_element(context.output("s").boxed, 2, &none), 0);
}

TEST_F(Boxed, sequence_input_is_checked_and_copied) {
  PlanMaker maker;
  const auto s = maker.input("s", "seq(f32[*])");
  const auto zero = maker.constant("zero", Tensor::scalar<std::int64_t>(0));
  const auto y = maker.dynamic("y", "f32[*]");
  maker.step("sequence_at", {s, zero}, {y}).cut = true;
  maker.output("y", y);
  maker.output("s_again", s);
  Context context(maker.engine());
  float data[3] = {1, 2, 3};
  const std::int64_t dims[1] = {3};
  StropAbiValue tensor{};
  tensor.dtype = static_cast<std::uint32_t>(DType::f32);
  tensor.rank = 1;
  tensor.dims = dims;
  tensor.data = data;
  tensor.bytes = sizeof data;
  const auto& boxes = context.boxes();
  void* sequence = boxes.box_make(1, 1, &tensor);
  void* optional = boxes.box_make(2, 1, &tensor);
  context.bind_boxed("s", sequence);
  EXPECT_EQ(error_of([&] { context.bind_boxed("s", optional); }).code(), ErrorCode::input_type);
  EXPECT_EQ(error_of([&] { context.bind("s", Tensor::zeros(DType::f32, {3})); }).code(),
            ErrorCode::input_type);
  boxes.box_free(sequence);
  boxes.box_free(optional);
  data[0] = 100;
  context.run();
  EXPECT_EQ(floats(context.output("y")), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(element(context, "s_again", 0), (std::vector<float>{1, 2, 3}));
}

TEST_F(Boxed, loop_carries_a_sequence_of_what_its_body_computes) {
  PlanMaker body("body"), maker;
  {
    body.input("i", "i64[]");
    const auto go_on = body.input("go_on", "bool[]");
    const auto s = body.input("s", "seq(f32[*])");
    const auto x = body.input("x", "f32[2]");
    const auto y = body.arena("y", "f32[2]");
    const auto longer = body.boxed("longer", "seq(f32[*])");
    body.step("add_one", {x}, {y}, "", "test");
    body.step("sequence_insert", {s, y}, {longer});
    body.output("go_on", go_on);
    body.output("longer", longer);
    body.output("y", y);
  }
  const auto trips = maker.input("trips", "i64[]");
  const auto x = maker.input("x", "f32[2]");
  const auto empty = maker.boxed("empty", "seq(f32[*])");
  const auto s = maker.boxed("s", "seq(f32[*])");
  const auto last = maker.dynamic("last", "f32[2]");
  maker.step("sequence_construct", {x}, {empty});
  maker.loop({trips, kNoSlot, empty, x}, {s, last}, 2, body.take());
  maker.output("s", s);
  maker.output("last", last);
  Context context(maker.engine());
  for (const std::int64_t n : {4, 0, 2}) {
    context.bind("trips", Tensor::scalar<std::int64_t>(n));
    context.bind("x", Tensor::from<float>({2}, {0, 10}));
    context.run();
    ASSERT_EQ(count(context, "s"), static_cast<std::uint64_t>(n + 1));
    for (std::int64_t i = 0; i <= n; ++i) {
      EXPECT_EQ(element(context, "s", static_cast<std::uint64_t>(i)),
                (std::vector<float>{static_cast<float>(i), static_cast<float>(10 + i)}));
    }
    EXPECT_EQ(floats(context.output("last"))[0], static_cast<float>(n));
  }
}

TEST_F(Boxed, nested_graphs_run_on_the_reference_backend) {
  PlanMaker maker;
  const auto condition = maker.input("condition", "bool[]");
  const auto x = maker.input("x", "f32[4]");
  const auto y = maker.dynamic("y", "f32[*]");
  maker
      .step("if_else", {condition, x}, {y},
            "\ngraph then(%x: f32[4]) -> (%y) {\n  %y = softmax{axis=0}(%x)\n}\n"
            "\ngraph else(%x: f32[4]) -> (%y) {\n  const %s = i64[2]{2, 2}\n  %y = reshape(%x, "
            "%s)\n}\n")
      .cut = true;
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("x", Tensor::from<float>({4}, {0, 0, 0, 0}));
  context.bind("condition", Tensor::scalar(true));
  context.run();
  EXPECT_EQ(floats(context.output("y")), (std::vector<float>{0.25f, 0.25f, 0.25f, 0.25f}));
  context.bind("condition", Tensor::scalar(false));
  context.run();
  EXPECT_EQ(context.output_tensor("y").shape(), (Shape{2, 2}));
}

TEST_F(Boxed, indices_of_nonzero_elements_have_the_size_of_the_data) {
  PlanMaker maker;
  const auto x = maker.input("x", "f32[N,M]");
  const auto y = maker.dynamic("y", "i64[2,#.0]");
  const auto n = maker.sizes("n", {Dim::parse("#.0")});
  maker.step("non_zero", {x}, {y}).cut = true;
  maker.output("y", y);
  maker.output("n", n);
  Context context(maker.engine());
  context.bind("x", Tensor::from<float>({2, 2}, {0, 5, 6, 0}));
  context.run();
  EXPECT_EQ(context.output_tensor("y").to_i64(), (std::vector<std::int64_t>{0, 1, 1, 0}));
  EXPECT_EQ(context.output_tensor("n").to_i64(), (std::vector<std::int64_t>{2}));
}

}  // namespace
}  // namespace strop

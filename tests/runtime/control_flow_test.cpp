// SPDX-License-Identifier: Apache-2.0
// If and Loop as steps with nested plans; strings and sequences through the runtime.
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

class ControlFlow : public ::testing::Test {
 protected:
  ControlFlow() {
    register_backend(reference_backend());
    testing::register_test_backend();
  }
};

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// then: x + 1; else: the positive elements of x.
std::shared_ptr<const Engine> branch_engine() {
  PlanMaker then("then"), otherwise("else"), maker;
  {
    const auto x = then.input("x", "f32[N]");
    const auto y = then.arena("y", "f32[N]");
    then.step("add_one", {x}, {y}, "", "test");
    then.output("y", y);
  }
  {
    const auto x = otherwise.input("x", "f32[N]");
    const auto y = otherwise.dynamic("y", "f32[#else.0]");
    otherwise.step("positive", {x}, {y}, "", "test").cut = true;
    otherwise.output("y", y);
  }
  const auto condition = maker.input("condition", "bool[]");
  const auto x = maker.input("x", "f32[N]");
  const auto y = maker.dynamic("y", "f32[#.0]");
  const auto z = maker.arena("z", "f32[#.0]");
  maker.branch({condition, x}, {y}, then.take(), otherwise.take());
  maker.step("add_one", {y}, {z}, "", "test");
  maker.output("z", z);
  return maker.engine();
}

TEST_F(ControlFlow, branch_takes_the_side_of_its_condition) {
  Context context(branch_engine());
  context.bind("x", Tensor::from<float>({3}, {5, -6, 7}));
  for (int repeat = 0; repeat < 2; ++repeat) {
    context.bind("condition", Tensor::scalar(true));
    context.run();
    EXPECT_EQ(floats(context.output_tensor("z")), (std::vector<float>{7, -4, 9}));
    context.bind("condition", Tensor::scalar(false));
    context.run();
    EXPECT_EQ(floats(context.output_tensor("z")), (std::vector<float>{6, 8}));
  }
}

// carried x (grows by nothing, +1 each time); scan: x of each iteration; stops at `limit`
// iterations of its own.
Plan counting_body(std::string_view type = "f32[N]") {
  PlanMaker body("body");
  const auto i = body.input("i", "i64[]");
  body.input("go_on", "bool[]");
  const auto x = body.input("x", type);
  const auto limit = body.input("limit", "i64[]");
  const auto next = body.arena("next", "i64[]");
  const auto go_on = body.arena("go_on_out", "bool[]");
  const auto y = body.arena("y", type);
  body.step("count_loop", {i}, {next}, "", "test");
  body.step("less", {next, limit}, {go_on}, "", "test");
  body.step("add_one", {x}, {y}, "", "test");
  body.output("go_on_out", go_on);
  body.output("y", y);
  body.output("scan", y);
  return body.take();
}

std::shared_ptr<const Engine> loop_engine(bool with_trips, bool with_condition) {
  PlanMaker maker;
  const auto trips = maker.input("trips", "i64[]");
  const auto condition = maker.input("condition", "bool[]");
  const auto x = maker.input("x", "f32[N]");
  const auto limit = maker.input("limit", "i64[]");
  const auto last = maker.dynamic("last", "f32[N]");
  const auto all = maker.dynamic("all", "f32[#.0,N]");
  maker.loop({with_trips ? trips : kNoSlot, with_condition ? condition : kNoSlot, x, limit},
             {last, all}, 1, counting_body());
  maker.output("last", last);
  maker.output("all", all);
  return maker.engine();
}

struct LoopInput {
  std::int64_t trips, limit;
  bool condition = true;
};

void bind_loop(Context& context, const LoopInput& input) {
  context.bind("trips", Tensor::scalar(input.trips));
  context.bind("condition", Tensor::scalar(input.condition));
  context.bind("limit", Tensor::scalar(input.limit));
  context.bind("x", Tensor::from<float>({2}, {0, 10}));
}

TEST_F(ControlFlow, loop_stops_at_trip_count_or_condition) {
  const auto iterations = [](bool with_trips, bool with_condition, const LoopInput& input) {
    Context context(loop_engine(with_trips, with_condition));
    bind_loop(context, input);
    context.run();
    const Tensor all = context.output_tensor("all");
    EXPECT_EQ(all.shape(), (Shape{all.dim(0), 2}));
    const auto last = floats(context.output_tensor("last"));
    EXPECT_EQ(last[0], static_cast<float>(all.dim(0)));
    EXPECT_EQ(last[1], static_cast<float>(10 + all.dim(0)));
    const auto rows = floats(all);
    for (std::size_t i = 0; i < rows.size(); i += 2) {
      EXPECT_EQ(rows[i], static_cast<float>(i / 2 + 1));
      EXPECT_EQ(rows[i + 1], static_cast<float>(i / 2 + 11));
    }
    return all.dim(0);
  };
  EXPECT_EQ(iterations(true, false, {5, 1000}), 5);
  EXPECT_EQ(iterations(true, true, {5, 3}), 3);
  EXPECT_EQ(iterations(false, true, {0, 7}), 7);
  EXPECT_EQ(iterations(false, false, {0, 4}), 4);
  EXPECT_EQ(iterations(true, false, {0, 4}), 0);
  EXPECT_EQ(iterations(true, false, {-3, 4}), 0);
  EXPECT_EQ(iterations(true, true, {9, 9, false}), 0);
  EXPECT_EQ(iterations(true, true, {500, 1000}), 500);
}

TEST_F(ControlFlow, endless_loop_meets_the_iteration_limit) {
  ContextOptions options;
  options.loop_iterations = 100;
  Context context(loop_engine(false, false), options);
  bind_loop(context, {0, 1'000'000'000});
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  EXPECT_NE(error.message().find("loop_iterations"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("operator loop"), std::string::npos) << error.message();
  bind_loop(context, {0, 100});
  context.run();
}

TEST_F(ControlFlow, endless_loop_meets_the_deadline) {
  ContextOptions options;
  options.deadline_ms = 30;
  options.loop_iterations = 0;
  options.tensor_bytes = 0;
  Context context(loop_engine(false, false), options);
  bind_loop(context, {0, 1'000'000'000'000});
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  EXPECT_NE(error.message().find("30 ms"), std::string::npos) << error.message();
}

TEST_F(ControlFlow, scan_output_meets_the_byte_limit) {
  ContextOptions options;
  options.tensor_bytes = 80;
  Context context(loop_engine(true, false), options);
  bind_loop(context, {10, 1000});
  context.run();
  bind_loop(context, {11, 1000});
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::limit_exceeded);
}

TEST_F(ControlFlow, carried_shape_may_change) {
  PlanMaker body("body"), maker;
  {
    body.input("i", "i64[]");
    const auto go_on = body.input("go_on", "bool[]");
    const auto x = body.input("x", "f32[#body.0]");
    const auto p = body.dynamic("p", "f32[#body.1]");
    const auto y = body.arena("y", "f32[#body.1]");
    const auto step = body.constant("minus_two", Tensor::from<float>({1}, {-2}));
    (void)step;
    body.step("positive", {x}, {p}, "", "test").cut = true;
    body.step("add_one", {p}, {y}, "", "test");
    body.output("go_on", go_on);
    body.output("y", y);
  }
  const auto trips = maker.input("trips", "i64[]");
  const auto x = maker.input("x", "f32[N]");
  const auto y = maker.dynamic("y", "f32[#.0]");
  maker.loop({trips, kNoSlot, x}, {y}, 1, body.take());
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("trips", Tensor::scalar<std::int64_t>(3));
  context.bind("x", Tensor::from<float>({4}, {1, -1, 2, -2}));
  context.run();
  EXPECT_EQ(floats(context.output_tensor("y")), (std::vector<float>{4, 5}));
}

TEST_F(ControlFlow, nested_plan_knows_the_symbols_around_it) {
  PlanMaker then("then"), otherwise("else"), maker;
  for (PlanMaker* plan : {&then, &otherwise}) {
    const auto x = plan->input("x", "f32[2*N]");
    const auto y = plan->arena("y", "f32[2*N]");
    const auto n = plan->sizes("n", {Dim::parse("N")});
    plan->step("add_one", {x}, {y}, "", "test");
    plan->output("y", y);
    plan->output("n", n);
  }
  const auto condition = maker.input("condition", "bool[]");
  maker.input("a", "f32[N]");
  const auto x = maker.input("x", "f32[2*N]");
  const auto y = maker.arena("y", "f32[2*N]");
  const auto n = maker.arena("n", "i64[1]");
  maker.branch({condition, x}, {y, n}, then.take(), otherwise.take());
  maker.output("y", y);
  maker.output("n", n);
  Context context(maker.engine());
  context.bind("condition", Tensor::scalar(true));
  for (const std::int64_t size : {2, 5}) {
    context.bind("a", Tensor::zeros(DType::f32, {size}));
    context.bind("x", Tensor::zeros(DType::f32, {2 * size}));
    context.run();
    EXPECT_EQ(context.output_tensor("y").shape(), (Shape{2 * size}));
    EXPECT_EQ(context.output_tensor("n").to_i64(), (std::vector<std::int64_t>{size}));
  }
  context.bind("x", Tensor::zeros(DType::f32, {9}));
  EXPECT_EQ(error_of([&] { context.run(); }).code(), ErrorCode::input_shape);
}

std::string text_at(Context& context, const char* name, std::uint64_t index) {
  std::uint64_t length = 0;
  const char* text = context.boxes().box_string(context.output(name).boxed, index, &length);
  return std::string(text, length);
}

TEST_F(ControlFlow, strings_go_in_and_out) {
  PlanMaker maker;
  const auto x = maker.input("x", "string[N]");
  const auto shape = maker.constant("shape", Tensor::from<std::int64_t>({2}, {-1, 1}));
  const auto y = maker.boxed("y", "string[N,1]");
  const auto c = maker.constant("c", Tensor::from_strings({2}, {"a\0b", "c"}));
  maker.step("reshape", {x, shape}, {y});
  maker.output("y", y);
  maker.output("c", c);
  Context context(maker.engine());
  context.bind("x", Tensor::from_strings({3}, {"one", "", std::string("t\0wo", 4)}));
  context.run();
  EXPECT_EQ(context.output("y").rank, 2u);
  EXPECT_EQ(context.output("y").dims[0], 3);
  EXPECT_EQ(text_at(context, "y", 0), "one");
  EXPECT_EQ(text_at(context, "y", 1), "");
  EXPECT_EQ(text_at(context, "y", 2), std::string("t\0wo", 4));
  EXPECT_EQ(text_at(context, "c", 1), "c");
  EXPECT_EQ(error_of([&] { context.bind_strings("x", Shape{2}, {}); }).code(),
            ErrorCode::input_bytes);
}

}  // namespace
}  // namespace strop

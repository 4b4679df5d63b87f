// SPDX-License-Identifier: Apache-2.0
// What bad input gets: each refusal by its code, naming what, why and what to do.
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

std::shared_ptr<const Engine> image_engine() {
  register_backend(reference_backend());
  testing::register_test_backend();
  PlanMaker maker;
  const auto images = maker.input("images", "f32[N,3,4,4]");
  const auto y = maker.arena("scores", "f32[N,3,4,4]");
  maker.step("add_one", {images}, {y}, "", "test");
  maker.output("scores", y);
  return maker.engine();
}

class Bind : public ::testing::Test {
 protected:
  Error bind(DType dtype, const Shape& shape, std::uint64_t bytes, const char* name = "images") {
    static std::byte memory[1 << 16];
    return error_of([&] { context_.bind(name, dtype, shape, memory, bytes, BindMode::copy); });
  }
  static void expect(const Error& error, ErrorCode code, const std::string& part) {
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
    EXPECT_FALSE(error.diagnostics().front().hint.empty()) << error.message();
  }
  Context context_{image_engine()};
};

TEST_F(Bind, right_input_is_taken) {
  EXPECT_EQ(bind(DType::f32, {2, 3, 4, 4}, 384).code(), ErrorCode::ok);
  context_.run();
  EXPECT_EQ(context_.output("scores").bytes, 384u);
}

TEST_F(Bind, unknown_name_lists_the_names) {
  expect(bind(DType::f32, {1, 3, 4, 4}, 192, "image"), ErrorCode::unknown_name, "images");
}

TEST_F(Bind, missing_input_is_named) {
  expect(error_of([&] { context_.run(); }), ErrorCode::missing_input, "images");
}

TEST_F(Bind, picture_for_float_input_says_what_is_missing) {
  expect(bind(DType::u8, {480, 640, 3}, 480 * 640 * 3), ErrorCode::input_type,
         "channels before height and width");
  expect(bind(DType::u8, {1, 8, 8, 3}, 192), ErrorCode::input_type,
         "channels before height and width");
}

TEST_F(Bind, other_wrong_type_does_not_speak_of_pictures) {
  const Error error = bind(DType::f64, {1, 3, 4, 4}, 384);
  expect(error, ErrorCode::input_type, "f64[1,3,4,4]");
  EXPECT_EQ(error.message().find("picture"), std::string::npos);
  expect(bind(DType::i64, {3}, 24), ErrorCode::input_type, "f32[N,3,4,4]");
}

TEST_F(Bind, wrong_rank_says_both_ranks) {
  expect(bind(DType::f32, {3, 4, 4}, 192), ErrorCode::input_rank, "rank 3 instead of 4");
  expect(bind(DType::f32, {}, 4), ErrorCode::input_rank, "rank 0 instead of 4");
}

TEST_F(Bind, wrong_fixed_dimension_is_named) {
  expect(bind(DType::f32, {1, 3, 5, 4}, 240), ErrorCode::input_shape, "dimension 2 is 5");
  expect(bind(DType::f32, {-1, 3, 4, 4}, 0), ErrorCode::input_shape, "negative");
}

TEST_F(Bind, wrong_byte_count_says_both) {
  expect(bind(DType::f32, {1, 3, 4, 4}, 191), ErrorCode::input_bytes, "191 bytes instead of 192");
  expect(bind(DType::f32, {1, 3, 4, 4}, 384), ErrorCode::input_bytes, "384 bytes instead of 192");
}

TEST_F(Bind, size_that_overflows_is_an_error) {
  const std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_EQ(bind(DType::f32, {huge, 3, 4, 4}, 64).code(), ErrorCode::bad_shape);
}

TEST_F(Bind, null_data_is_refused) {
  const Error error = error_of([&] {
    context_.bind("images", DType::f32, Shape{1, 3, 4, 4}, nullptr, 192, BindMode::copy);
  });
  EXPECT_EQ(error.code(), ErrorCode::bad_argument);
}

TEST_F(Bind, unaligned_reference_is_refused_and_copied_on_request) {
  alignas(16) std::byte memory[200] = {};
  const Shape shape{1, 3, 4, 4};
  const Error error = error_of(
      [&] { context_.bind("images", DType::f32, shape, memory + 1, 192, BindMode::reference); });
  expect(error, ErrorCode::bad_argument, "aligned");
  context_.bind("images", DType::f32, shape, memory + 1, 192, BindMode::copy);
  context_.run();
  EXPECT_EQ(context_.output_tensor("scores").values<float>()[0], 1.0f);
}

TEST_F(Bind, failed_bind_leaves_what_was_bound) {
  EXPECT_EQ(bind(DType::f32, {1, 3, 4, 4}, 192).code(), ErrorCode::ok);
  EXPECT_NE(bind(DType::f32, {1, 3, 9, 9}, 192).code(), ErrorCode::ok);
  context_.run();
  EXPECT_EQ(context_.output_tensor("scores").shape(), (Shape{1, 3, 4, 4}));
}

TEST_F(Bind, strings_for_a_number_input_are_refused) {
  expect(error_of([&] { context_.bind("images", Tensor::from_strings({1}, {"a"})); }),
         ErrorCode::input_type, "string[1]");
}

TEST_F(Bind, unknown_output_is_refused) {
  expect(error_of([&] { context_.bind_output("labels", nullptr, 0); }), ErrorCode::unknown_name,
         "scores");
  EXPECT_EQ(bind(DType::f32, {1, 3, 4, 4}, 192).code(), ErrorCode::ok);
  context_.run();
  expect(error_of([&] { (void)context_.output("labels"); }), ErrorCode::unknown_name, "scores");
}

TEST_F(Bind, output_before_a_run_is_refused) {
  expect(error_of([&] { (void)context_.output("scores"); }), ErrorCode::bad_argument,
         "call run first");
}

TEST_F(Bind, negative_option_is_refused) {
  ContextOptions options;
  options.tensor_bytes = -5;
  EXPECT_EQ(error_of([&] { Context context(image_engine(), options); }).code(),
            ErrorCode::bad_option);
}

TEST(BindSeveral, symbols_must_agree_between_inputs) {
  testing::register_test_backend();
  PlanMaker maker;
  const auto a = maker.input("a", "f32[N,2]");
  const auto b = maker.input("b", "f32[2,N]");
  const auto y = maker.arena("y", "f32[N,2]");
  maker.step("add", {a, b}, {y}, "", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("a", Tensor::zeros(DType::f32, {3, 2}));
  context.bind("b", Tensor::zeros(DType::f32, {2, 4}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::input_shape);
  EXPECT_NE(error.message().find("dimension 1 of input b is 4"), std::string::npos)
      << error.message();
  EXPECT_NE(error.message().find("dimension 0 of a"), std::string::npos) << error.message();
  context.bind("b", Tensor::zeros(DType::f32, {2, 3}));
  context.run();
}

TEST(BindSeveral, shapes_that_contradict_the_model_name_the_rule) {
  testing::register_test_backend();
  PlanMaker maker;
  const auto a = maker.input("a", "f32[N]");
  const auto b = maker.input("b", "f32[M]");
  const auto y = maker.arena("y", "f32[N]");
  maker.constraint("N", "M+1", "conv: channels of x and w");
  maker.step("keep", {a, b}, {y}, "", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("a", Tensor::zeros(DType::f32, {3}));
  context.bind("b", Tensor::zeros(DType::f32, {3}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::bad_shape);
  EXPECT_NE(error.message().find("conv: channels of x and w"), std::string::npos);
  EXPECT_EQ(error_of([&] {
              context.prepare(std::vector<NamedShape>{{"b", {5}}});
            }).code(),
            ErrorCode::bad_shape);
  context.bind("b", Tensor::zeros(DType::f32, {2}));
  context.run();
}

TEST(BindSeveral, sizes_that_do_not_broadcast_are_an_error) {
  testing::register_test_backend();
  PlanMaker maker;
  const auto a = maker.input("a", "f32[N]");
  maker.input("b", "f32[M]");
  const auto y = maker.arena("y", "f32[broadcast(N,M)]");
  maker.step("keep", {a}, {y}, "", "test");
  maker.output("y", y);
  Context context(maker.engine());
  context.bind("a", Tensor::zeros(DType::f32, {3}));
  context.bind("b", Tensor::zeros(DType::f32, {4}));
  const Error error = error_of([&] { context.run(); });
  EXPECT_EQ(error.code(), ErrorCode::bad_shape);
  EXPECT_NE(error.message().find("value y"), std::string::npos) << error.message();
}

TEST(Prepare, open_shape_without_a_value_is_refused) {
  Context context(image_engine());
  EXPECT_EQ(error_of([&] { context.prepare({}); }).code(), ErrorCode::missing_input);
  EXPECT_EQ(error_of([&] {
              context.prepare(std::vector<NamedShape>{{"nothing", {1}}});
            }).code(),
            ErrorCode::unknown_name);
  EXPECT_EQ(error_of([&] {
              context.prepare(std::vector<NamedShape>{{"images", {1, 2, 4, 4}}});
            }).code(),
            ErrorCode::input_shape);
}

}  // namespace
}  // namespace strop

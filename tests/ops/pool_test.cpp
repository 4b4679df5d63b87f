// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr auto kAverage = PoolFunction::average;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor run(const PoolAttributes& attributes, const Tensor& x) {
  return run_op(op_pool(), attributes, {x});
}
ErrorCode refused(const PoolAttributes& attributes, const Tensor& x, std::size_t outputs = 1) {
  return error_of(op_pool(), attributes, {x}, outputs);
}

TEST(Pool, takes_the_largest_of_each_window) {
  const Tensor x = floats({1, 1, 3, 3}, {1, 9, 2, 3, 4, 5, 8, 7, 6});
  expect_near(run({.kernel = {2, 2}}, x), {1, 1, 2, 2}, {9, 9, 8, 7});
  expect_near(run({.kernel = {2, 2}, .strides = {2, 2}, .pads = {1, 1, 0, 0}}, x), {1, 1, 2, 2},
              {1, 9, 8, 7});
  expect_near(run({.kernel = {2, 2}, .dilations = {2, 2}}, x), {1, 1, 1, 1}, {8});
  // Padding never wins, even over negative elements.
  expect_near(run({.kernel = {3}, .pads = {1, 1}}, floats({1, 1, 2}, {-5, -7})), {1, 1, 2},
              {-5, -5});
  expect_near(run({.kernel = {2}}, floats({1, 1, 3}, {1, kNan, 3})), {1, 1, 2}, {kNan, kNan});
}

TEST(Pool, gives_indices_of_the_maxima) {
  const Tensor x = ramp({1, 2, 2, 3});
  const auto row = run_op_many(op_pool(), PoolAttributes{.kernel = {2, 2}}, {x}, 2);
  EXPECT_EQ(values_of<std::int64_t>(row[1]), (std::vector<std::int64_t>{4, 5, 10, 11}));
  const auto column =
      run_op_many(op_pool(), PoolAttributes{.kernel = {2, 2}, .column_major = true}, {x}, 2);
  EXPECT_EQ(values_of<std::int64_t>(column[1]), (std::vector<std::int64_t>{3, 5, 9, 11}));
}

TEST(Pool, keeps_8_bit_integers) {
  const Tensor x = Tensor::from<std::int8_t>({1, 1, 3}, {-3, -100, -2});
  EXPECT_EQ(values_of<std::int8_t>(run({.kernel = {2}, .pads = {1, 0}}, x)),
            (std::vector<std::int8_t>{-3, -3, -2}));
  const Tensor y = Tensor::from<std::uint8_t>({1, 1, 2}, {200, 100});
  EXPECT_EQ(values_of<std::uint8_t>(run({.kernel = {2}}, y))[0], 200);
}

TEST(Pool, averages_what_lies_inside) {
  const Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  expect_near(run({.function = kAverage, .kernel = {2}}, x), {1, 1, 3}, {1.5, 2.5, 3.5});
  expect_near(run({.function = kAverage, .kernel = {3}, .pads = {1, 1}}, x), {1, 1, 4},
              {1.5, 2, 3, 3.5});
  expect_near(
      run({.function = kAverage, .kernel = {3}, .pads = {1, 1}, .count_include_pad = true}, x),
      {1, 1, 4}, {1, 2, 3, 7.0 / 3});
  expect_near(run({.function = kAverage, .kernel = {2}, .dilations = {2}}, x), {1, 1, 2}, {2, 3});
}

TEST(Pool, rounds_up_but_starts_no_window_in_the_padding) {
  const Tensor x = floats({1, 1, 5}, {1, 2, 3, 4, 5});
  PoolAttributes a{.function = kAverage, .kernel = {2}, .strides = {2}, .ceil_mode = true};
  expect_near(run(a, x), {1, 1, 3}, {1.5, 3.5, 5});
  a.count_include_pad = true;  // the part beyond the padding does not count
  expect_near(run(a, x), {1, 1, 3}, {1.5, 3.5, 5});
  // Five elements and two of padding hold windows at -1, 2, 5: the last starts in the padding.
  a = {.kernel = {2}, .strides = {3}, .pads = {1, 1}, .ceil_mode = true};
  expect_near(run(a, x), {1, 1, 2}, {1, 4});
  a = {.kernel = {3}, .strides = {2}, .pads = {1, 1}, .ceil_mode = true};
  expect_near(run(a, floats({1, 1, 4}, {1, 2, 3, 4})), {1, 1, 3}, {2, 4, 4});
}

TEST(Pool, pads_to_the_same_size) {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3});
  expect_near(run({.function = kAverage, .kernel = {2}, .auto_pad = AutoPad::same_upper}, x),
              {1, 1, 3}, {1.5, 2.5, 3});
  expect_near(run({.function = kAverage, .kernel = {2}, .auto_pad = AutoPad::same_lower}, x),
              {1, 1, 3}, {1, 1.5, 2.5});
}

TEST(Pool, takes_the_norm_of_each_window) {
  const Tensor x = floats({1, 1, 3}, {3, -4, 0});
  expect_near(run({.function = PoolFunction::lp, .kernel = {2}}, x), {1, 1, 2}, {5, 4});
  expect_near(run({.function = PoolFunction::lp, .kernel = {2}, .p = 1}, x), {1, 1, 2}, {7, 4});
}

TEST(Pool, works_on_three_axes_and_long_lines) {
  expect_near(run({.kernel = {2, 2, 2}}, ramp({1, 1, 2, 2, 3})), {1, 1, 1, 1, 2}, {10, 11});
  const Tensor y = run({.kernel = {2}}, ramp({2, 1, 2000}));
  EXPECT_EQ(y.shape(), (Shape{2, 1, 1999}));
  EXPECT_EQ(y.values<float>()[1998], 1999);
  EXPECT_EQ(y.values<float>()[1999], 2001);
  EXPECT_EQ(run({.kernel = {2}}, ramp({0, 1, 4})).shape(), (Shape{0, 1, 3}));
}

TEST(Pool, infers_symbolic_sizes) {
  const auto out =
      infer_op(op_pool(), PoolAttributes{.kernel = {3, 3}, .strides = {2, 2}, .pads = {1, 1, 1, 1}},
               {"f32[N,8,H,8]"});
  EXPECT_EQ(out[0].type.to_string(), Type::parse("f32[N,8,floordiv(H-1,2)+1,4]").to_string());
}

TEST(Pool, refuses_what_makes_no_sense) {
  const Tensor x = ramp({1, 1, 4});
  EXPECT_EQ(refused({.kernel = {}}, x), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.kernel = {0}}, x), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.kernel = {-2}}, x), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.kernel = {5}}, x), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.kernel = {std::int64_t{1} << 62}}, x), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.kernel = {2, 2}}, x), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.kernel = {2}, .strides = {0}}, x), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.kernel = {2}, .dilations = {0}}, x), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.kernel = {2}, .pads = {std::int64_t{1} << 62, 0}}, x),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.function = PoolFunction::lp, .kernel = {2}, .p = 0}, x),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.function = kAverage, .kernel = {2}}, Tensor::zeros(DType::i8, {1, 1, 4})),
            ErrorCode::bad_type);
  EXPECT_EQ(refused({.function = kAverage, .kernel = {2}}, x, 2), ErrorCode::model_malformed);
}

}  // namespace
}  // namespace strop

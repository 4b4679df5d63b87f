// SPDX-License-Identifier: Apache-2.0
#include "ops/batch_norm.hpp"
#include "ops/lrn.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

TEST(BatchNorm, normalises_each_channel) {
  const Tensor scale = floats({2}, {2, 1}), bias = floats({2}, {1, 0}), mean = floats({2}, {1, 10}),
               variance = floats({2}, {3, 0});
  const BatchNormAttributes one{.epsilon = 1};
  expect_near(run_op(op_batch_norm(), one,
                     {floats({1, 2, 2}, {1, 3, 10, 12}), scale, bias, mean, variance}),
              {1, 2, 2}, {1, 3, 0, 2});
  expect_near(
      run_op(op_batch_norm(), one, {floats({2, 2}, {1, 10, 5, 11}), scale, bias, mean, variance}),
      {2, 2}, {1, 0, 5, 1});
  EXPECT_EQ(run_op(op_batch_norm(), one, {ramp({0, 2, 3}), scale, bias, mean, variance}).shape(),
            (Shape{0, 2, 3}));
  // Statistics may be wider than the data.
  const Tensor half = Tensor::from<float16>({1, 1}, {float16(3.0f)});
  const Tensor c = floats({1}, {1});
  expect_near(run_op(op_batch_norm(), BatchNormAttributes{.epsilon = 0}, {half, c, c, c, c}),
              {1, 1}, {3});
}

TEST(BatchNorm, refuses_parameters_of_another_size) {
  const Tensor two = ramp({2}), three = ramp({3});
  EXPECT_EQ(
      error_of(op_batch_norm(), BatchNormAttributes{}, {ramp({1, 2, 2}), two, two, three, two}),
      ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_batch_norm(), BatchNormAttributes{}, {ramp({}), two, two, two, two}),
            ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_batch_norm(), BatchNormAttributes{}, {ramp({1, 2}), two, two, two}),
            ErrorCode::model_malformed);
}

TEST(Lrn, divides_by_the_energy_of_neighbouring_channels) {
  const Tensor x = floats({1, 4, 1}, {1, 2, 3, 4});
  const LrnAttributes a{.size = 2, .alpha = 2, .beta = 1, .bias = 1};  // the channel and the next
  expect_near(run_op(op_lrn(), a, {x}), {1, 4, 1}, {1.0 / 6, 2.0 / 14, 3.0 / 26, 4.0 / 17});
  const LrnAttributes b{.size = 3, .alpha = 3, .beta = 0.5, .bias = 0};
  expect_near(run_op(op_lrn(), b, {x}), {1, 4, 1},
              {1 / std::sqrt(5.0), 2 / std::sqrt(14.0), 3 / std::sqrt(29.0), 0.8});
  const LrnAttributes huge{.size = std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(error_of(op_lrn(), huge, {x}), ErrorCode::ok);
}

TEST(Lrn, refuses_what_makes_no_sense) {
  EXPECT_EQ(error_of(op_lrn(), LrnAttributes{.size = 0}, {ramp({1, 2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_lrn(), LrnAttributes{}, {ramp({2})}), ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_transpose.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor run(const ConvTransposeAttributes& attributes, const std::vector<Tensor>& inputs) {
  return run_op(op_conv_transpose(), attributes, inputs);
}
ErrorCode refused(const ConvTransposeAttributes& attributes, const Shape& x, const Shape& w) {
  return error_of(op_conv_transpose(), attributes, {ramp(x), ramp(w)});
}

TEST(ConvTranspose, spreads_each_element_over_its_window) {
  const Tensor x = floats({1, 1, 2}, {1, 2}), w = floats({1, 1, 3}, {1, 10, 100});
  expect_near(run({}, {x, w}), {1, 1, 4}, {1, 12, 120, 200});
  expect_near(run({.strides = {2}}, {x, w}), {1, 1, 5}, {1, 10, 102, 20, 200});
  expect_near(run({.strides = {2}, .output_padding = {1}}, {x, w}), {1, 1, 6},
              {1, 10, 102, 20, 200, 0});
  expect_near(run({.dilations = {2}}, {x, w}), {1, 1, 6}, {1, 2, 10, 20, 100, 200});
  expect_near(run({.strides = {2}, .pads = {1, 2}}, {x, w, floats({1}, {0.5})}), {1, 1, 2},
              {10.5, 102.5});
}

TEST(ConvTranspose, derives_pads_from_the_output_size) {
  const Tensor x = floats({1, 1, 2}, {1, 2}), w = floats({1, 1, 3}, {1, 10, 100});
  // Covered are 5; one is cut off.
  expect_near(run({.strides = {2}, .output_shape = {4}, .auto_pad = AutoPad::same_upper}, {x, w}),
              {1, 1, 4}, {1, 10, 102, 20});
  expect_near(run({.strides = {2}, .output_shape = {4}}, {x, w}), {1, 1, 4}, {10, 102, 20, 200});
  expect_near(run({.strides = {2}, .auto_pad = AutoPad::same_upper}, {x, w}), {1, 1, 4},
              {1, 10, 102, 20});
  expect_near(run({.strides = {2}, .auto_pad = AutoPad::same_lower}, {x, w}), {1, 1, 4},
              {10, 102, 20, 200});
}

TEST(ConvTranspose, works_on_planes_volumes_and_groups) {
  expect_near(run({}, {ramp({1, 1, 2, 2}), floats({1, 1, 2, 2}, {1, 2, 3, 4})}), {1, 1, 3, 3},
              {0, 1, 2, 2, 10, 10, 6, 17, 12});
  expect_near(run({}, {ramp({1, 1, 1, 1, 2}, 1), ramp({1, 1, 2, 1, 1}, 1)}), {1, 1, 2, 1, 2},
              {1, 2, 2, 4});
  expect_near(run({.group = 2}, {floats({1, 2, 1}, {1, 2}), floats({2, 2, 1}, {1, 2, 3, 4})}),
              {1, 4, 1}, {1, 2, 6, 8});
  expect_near(run({}, {floats({1, 2, 1}, {1, 2}), floats({2, 1, 1}, {3, 4})}), {1, 1, 1}, {11});
  EXPECT_EQ(run({}, {ramp({0, 1, 2}), ramp({1, 1, 2})}).shape(), (Shape{0, 1, 3}));
}

TEST(ConvTranspose, refuses_what_makes_no_sense) {
  const Shape x = {1, 2, 3}, w = {2, 1, 2};
  EXPECT_EQ(refused({}, x, w), ErrorCode::ok);
  EXPECT_EQ(refused({.strides = {0}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.dilations = {0}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.group = 0}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.group = 3}, x, w), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.pads = {9, 9}}, x, w), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.pads = {std::int64_t{1} << 62, 0}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.output_padding = {-1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.output_padding = {1, 1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.output_shape = {-4}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({}, x, {3, 1, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, x, {2, 1, 0}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {1, 2, 0}, w), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {1, 2}, {2, 1}), ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop

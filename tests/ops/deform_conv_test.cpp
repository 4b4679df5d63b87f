// SPDX-License-Identifier: Apache-2.0
#include "ops/deform_conv.hpp"

#include "base/parallel.hpp"
#include "ops/conv.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor zeros(Shape shape) { return Tensor::zeros(DType::f32, std::move(shape)); }

Tensor run(const DeformConvAttributes& attributes, const Tensor& x, const Tensor& w,
           const Tensor& offset, const Tensor& bias = {}, const Tensor& mask = {}) {
  return run_op(op_deform_conv(), attributes, {x, w, offset, bias, mask});
}

TEST(DeformConv, is_a_convolution_without_offsets) {
  const Tensor x = ramp({2, 4, 5, 6}, -3, 0.1f), w = ramp({6, 2, 3, 2}, 1, -0.05f);
  const Tensor bias = ramp({6});
  const ConvAttributes plain{
      .strides = {2, 1}, .dilations = {1, 2}, .pads = {1, 0, 2, 3}, .group = 2};
  const Tensor wanted = run_op(op_conv(), plain, {x, w, bias});
  const DeformConvAttributes attributes{.strides = plain.strides,
                                        .dilations = plain.dilations,
                                        .pads = plain.pads,
                                        .group = 2,
                                        .offset_group = 4};
  const Tensor offset = zeros({2, 4 * 6 * 2, wanted.dim(2), wanted.dim(3)});
  expect_near(run(attributes, x, w, offset, bias), wanted.shape(), doubles_of(wanted));
}

TEST(DeformConv, reads_between_elements) {
  // One tap: y[o] = x[o + offset[o]].
  const Tensor x = floats({1, 1, 4}, {10, 20, 30, 40}), one = floats({1, 1, 1}, {1});
  const auto at = [&](const std::vector<float>& offset) {
    return doubles_of(run({}, x, one, floats({1, 1, 4}, offset)));
  };
  EXPECT_EQ(at({0.5f, 1, -1.75f, -3}), (std::vector<double>{15, 30, 12.5, 10}));
  // Zeros lie around x: half an element outside is half of the border.
  EXPECT_EQ(at({-0.5f, -2, 1.5f, 1}), (std::vector<double>{5, 0, 20, 0}));
  EXPECT_EQ(at({NAN, INFINITY, -INFINITY, 3e38f}), (std::vector<double>{0, 0, 0, 0}));
}

TEST(DeformConv, lists_offsets_by_group_tap_and_axis) {
  // Two channels with offsets of their own, a kernel of 1 x 2, one output position.
  const Tensor x = ramp({1, 2, 2, 3});
  const Tensor w = floats({1, 2, 1, 2}, {1, 10, 100, 1000});
  // Sizes 2 x 2 of the output; only position 0 has offsets. Channels: group, tap, axis (y, x).
  Tensor offset = zeros({1, 2 * 2 * 2, 2, 2});
  const float first[] = {1, 0, 0, 1, 1, 1, 0.5f, 0};
  for (std::size_t c = 0; c < 8; ++c) offset.mutable_values<float>()[c * 4] = first[c];
  const Tensor y = run({.offset_group = 2}, x, w, offset);
  // Channel 0: x[1,0] = 3, x[0,2] = 2; channel 1: x[1,1] = 10, x[0.5,1] = 8.5.
  EXPECT_EQ(y.values<float>()[0], 3 + 20 + 1000 + 8500);
  EXPECT_EQ(y.values<float>()[3], 4 + 50 + 1000 + 11000);
}

TEST(DeformConv, multiplies_with_the_mask) {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3}), w = floats({1, 1, 2}, {1, 10});
  const Tensor mask = floats({1, 2, 2}, {2, 0, 1, 0.5f});
  expect_near(run({}, x, w, zeros({1, 2, 2}), floats({1}, {100}), mask), {1, 1, 2}, {122, 115});
}

TEST(DeformConv, computes_narrow_types_in_float) {
  const auto run_as = [](DType dtype) {
    const auto filled = [&](Shape shape, double value) {
      Tensor out = Tensor::allocate(dtype, std::move(shape));
      for (std::int64_t i = 0; i < out.size(); ++i) {
        store_from_double(dtype, out.mutable_data(), i, value);
      }
      return out;
    };
    return run({}, filled({1, 4, 3}, 1.5), filled({1, 4, 2}, 0.5), filled({1, 2, 2}, 0));
  };
  for (const DType dtype : {DType::f16, DType::bf16, DType::f64}) {
    expect_near(run_as(dtype), {1, 1, 2}, {6, 6});
  }
}

TEST(DeformConv, gives_the_same_for_any_number_of_threads) {
  const Tensor x = ramp({2, 3, 20, 20}, 0, 0.01f), w = ramp({70, 3, 3, 3}, 1, -0.001f);
  const Tensor offset = ramp({2, 18, 18, 18}, -1, 1e-4f);
  set_thread_count(1);
  const Tensor one = run({}, x, w, offset);
  set_thread_count(4);
  const Tensor four = run({}, x, w, offset);
  set_thread_count(0);
  EXPECT_TRUE(one.identical(four));
}

TEST(DeformConv, refuses_shapes_that_do_not_fit) {
  const auto code = [](const DeformConvAttributes& attributes, Shape x, Shape w, Shape offset,
                       Shape mask = {1, 2, 2}, Shape bias = {2}) {
    return error_of(op_deform_conv(), attributes,
                    {zeros(std::move(x)), zeros(std::move(w)), zeros(std::move(offset)),
                     zeros(std::move(bias)), zeros(std::move(mask))});
  };
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {1, 2, 2}), ErrorCode::ok);
  EXPECT_EQ(code({}, {0, 1, 3}, {2, 1, 2}, {0, 2, 2}, {0, 2, 2}), ErrorCode::ok);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {1, 4, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {1, 2, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {2, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {1, 2, 2}, {1, 1, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 2}, {1, 2, 2}, {1, 2, 2}, {1}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 2, 2}, {1, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 4}, {1, 4, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1, 3}, {2, 1, 0}, {1, 0, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {1, 1}, {2, 1}, {1, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.group = 0}, {1, 1, 3}, {2, 1, 2}, {1, 2, 2}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({.offset_group = 2}, {1, 1, 3}, {2, 1, 2}, {1, 4, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.pads = {1}}, {1, 1, 3}, {2, 1, 2}, {1, 2, 2}), ErrorCode::bad_attribute);
}

TEST(DeformConv, infers_open_shapes) {
  const auto type = [](const std::vector<std::string>& inputs) {
    return infer_op(op_deform_conv(), DeformConvAttributes{.pads = {1, 1, 1, 1}}, inputs)[0]
        .type.to_string();
  };
  EXPECT_EQ(type({"f32[N,3,H,W]", "f32[8,3,3,3]", "f32[N,18,H,W]"}), "f32[N,8,H,W]");
  EXPECT_EQ(type({"f32[*]", "f32[8,3,3,3]", "f32[N,18,P,Q]"}), "f32[N,8,P,Q]");
  EXPECT_EQ(type({"f32[*]", "f32[*]", "f32[*]"}), "f32[*]");
}

}  // namespace
}  // namespace strop

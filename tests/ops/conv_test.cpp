// SPDX-License-Identifier: Apache-2.0
#include "ops/conv.hpp"

#include "base/parallel.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor run(const ConvAttributes& attributes, const std::vector<Tensor>& inputs) {
  return run_op(op_conv(), attributes, inputs);
}
ErrorCode refused(const ConvAttributes& attributes, const Shape& x, const Shape& w) {
  return error_of(op_conv(), attributes, {ramp(x), ramp(w)});
}

TEST(Conv, sums_products_over_the_window) {
  const Tensor x = ramp({1, 1, 3, 3}, 1), w = floats({1, 1, 2, 2}, {1, 2, 3, 4});
  expect_near(run({}, {x, w}), {1, 1, 2, 2}, {37, 47, 67, 77});
  expect_near(run({.pads = {1, 0, 0, 1}}, {x, w, floats({1}, {0.5})}), {1, 1, 3, 3},
              {11.5, 18.5, 9.5, 37.5, 47.5, 21.5, 67.5, 77.5, 33.5});
  expect_near(run({.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {x, w}), {1, 1, 2, 2},
              {4, 18, 36, 77});
  expect_near(run({.dilations = {2, 2}}, {x, w}), {1, 1, 1, 1}, {1 + 6 + 21 + 36});
}

TEST(Conv, pads_to_the_same_size) {
  const Tensor x = ramp({1, 1, 1, 4}, 1), w = floats({1, 1, 1, 2}, {10, 1});
  expect_near(run({.auto_pad = AutoPad::same_upper}, {x, w}), {1, 1, 1, 4}, {12, 23, 34, 40});
  expect_near(run({.auto_pad = AutoPad::same_lower}, {x, w}), {1, 1, 1, 4}, {1, 12, 23, 34});
  expect_near(run({.auto_pad = AutoPad::valid}, {x, w}), {1, 1, 1, 3}, {12, 23, 34});
  expect_near(run({.strides = {1, 3}, .auto_pad = AutoPad::same_upper}, {x, w}), {1, 1, 1, 2},
              {12, 40});
}

TEST(Conv, works_on_one_and_three_spatial_axes) {
  expect_near(run({}, {ramp({1, 2, 3}), floats({1, 2, 2}, {1, 1, 10, 10})}), {1, 1, 2}, {71, 93});
  const Tensor y = run({}, {ramp({1, 1, 2, 2, 2}), ramp({1, 1, 2, 2, 2})});
  expect_near(y, {1, 1, 1, 1, 1}, {140});
}

// Every index written out, against tiles, blocks and groups of the kernel.
void check_against_definition(const Shape& x_shape, const Shape& w_shape, std::int64_t group,
                              std::int64_t stride, std::int64_t pad) {
  const Tensor x = ramp(x_shape, -3, 0.01f), w = ramp(w_shape, 2, -0.003f);
  const Tensor y =
      run({.strides = {stride, stride}, .pads = {pad, pad, pad, pad}, .group = group}, {x, w});
  const auto at = [](const Tensor& t, std::int64_t a, std::int64_t b, std::int64_t c,
                     std::int64_t d) {
    return static_cast<double>(t.values<float>()[static_cast<std::size_t>(
        ((a * t.dim(1) + b) * t.dim(2) + c) * t.dim(3) + d)]);
  };
  for (std::int64_t n = 0; n < y.dim(0); ++n)
    for (std::int64_t m = 0; m < y.dim(1); ++m)
      for (std::int64_t i = 0; i < y.dim(2); ++i)
        for (std::int64_t j = 0; j < y.dim(3); ++j) {
          double sum = 0;
          for (std::int64_t c = 0; c < w.dim(1); ++c)
            for (std::int64_t k = 0; k < w.dim(2); ++k)
              for (std::int64_t l = 0; l < w.dim(3); ++l) {
                const std::int64_t h = i * stride + k - pad, v = j * stride + l - pad;
                if (h < 0 || v < 0 || h >= x.dim(2) || v >= x.dim(3)) continue;
                sum += at(x, n, m / (y.dim(1) / group) * w.dim(1) + c, h, v) * at(w, m, c, k, l);
              }
          ASSERT_NEAR(at(y, n, m, i, j), sum, 1e-4 * (1 + std::abs(sum)))
              << m << " " << i << " " << j;
        }
}

TEST(Conv, equals_its_definition_over_tiles_and_groups) {
  check_against_definition({2, 3, 19, 17}, {70, 3, 3, 3}, 1, 1, 1);  // two blocks of channels
  check_against_definition({1, 40, 5, 5}, {4, 40, 3, 3}, 1, 2, 2);   // more rows than at a time
  check_against_definition({1, 4, 21, 33}, {8, 1, 3, 3}, 4, 2, 1);   // depthwise with multiplier
  check_against_definition({1, 6, 7, 40}, {4, 3, 1, 1}, 2, 1, 0);
}

TEST(Conv, does_not_depend_on_the_thread_count) {
  const Tensor x = ramp({2, 8, 40, 40}, -1, 0.001f), w = ramp({16, 8, 3, 3}, 1, -0.01f);
  set_thread_count(1);
  const Tensor one = run({}, {x, w});
  set_thread_count(3);
  const Tensor three = run({}, {x, w});
  set_thread_count(0);
  EXPECT_TRUE(one.identical(three));
}

TEST(Conv, computes_narrow_floats_in_float) {
  std::vector<float16> values(2049, float16(1.0f));
  const Tensor x = Tensor::from<float16>({1, 2049, 1}, values);
  // Sums in f16 would stop at 2048.
  EXPECT_EQ(doubles_of(run({}, {x, x}))[0], 2048);  // 2049 rounds to even, once
  values.resize(2051, float16(1.0f));
  const Tensor longer = Tensor::from<float16>({1, 2051, 1}, values);
  EXPECT_EQ(doubles_of(run({}, {longer, longer}))[0], 2052);
  const Tensor d = Tensor::from<double>({1, 1, 1}, {0.1});
  EXPECT_EQ(run({}, {d, d}).values<double>()[0], 0.1 * 0.1);
}

TEST(Conv, adds_a_bias_in_f32_before_it_rounds) {
  const Tensor x = Tensor::from<float16>({1, 1, 1}, {float16(1.0f)});
  const Tensor w = Tensor::from<float16>({1, 1, 1}, {float16(1.0f)});
  // Half a step above 1 would go back to 1.
  const float step = 0x1p-10f, bias = 0.5f * step + 1e-6f;
  EXPECT_EQ(doubles_of(run({}, {x, w, floats({1}, {bias})}))[0], 1 + static_cast<double>(step));
  for (const auto& types : {std::vector<std::string>{"f16[1,2,4]", "f16[3,2,2]", "f64[3]"},
                            {"f32[1,2,4]", "f32[3,2,2]", "f16[3]"},
                            {"f16[1,2,4]", "f16[3,2,2]", "bf16[3]"},
                            {"f64[1,2,4]", "f64[3,2,2]", "f32[3]"}})
    EXPECT_ANY_THROW(infer_op(op_conv(), ConvAttributes{}, types)) << types[2];
}

TEST(Conv, takes_empty_batches_and_channels) {
  EXPECT_EQ(run({}, {ramp({0, 3, 4, 4}), ramp({2, 3, 3, 3})}).shape(), (Shape{0, 2, 2, 2}));
  expect_near(run({}, {ramp({1, 0, 2}), ramp({1, 0, 2}), floats({1}, {7})}), {1, 1, 1}, {7});
  EXPECT_EQ(run({}, {ramp({1, 3, 4}), ramp({0, 3, 3})}).shape(), (Shape{1, 0, 2}));
}

TEST(Conv, infers_symbolic_sizes) {
  const auto out = infer_op(op_conv(), ConvAttributes{.strides = {2, 2}, .pads = {1, 1, 1, 1}},
                            {"f32[N,3,H,224]", "f32[8,3,3,3]"});
  EXPECT_EQ(out[0].type.to_string(), Type::parse("f32[N,8,floordiv(H-1,2)+1,112]").to_string());
}

TEST(Conv, refuses_attributes_that_make_no_sense) {
  const Shape x = {1, 4, 5, 5}, w = {2, 4, 3, 3};
  EXPECT_EQ(refused({}, x, w), ErrorCode::ok);
  EXPECT_EQ(refused({.strides = {0, 1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.strides = {-1, 1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.strides = {1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.dilations = {0, 1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.dilations = {std::int64_t{1} << 62, 1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.pads = {0, 0, 0, -1}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.pads = {0, 0}}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.pads = {std::int64_t{1} << 62, 0, std::int64_t{1} << 62, 0}}, x, w),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.group = 0}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.group = -1}, x, w), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.group = 3}, x, w), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.group = std::int64_t{1} << 62}, x, w), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.dilations = {3, 3}}, x, w), ErrorCode::bad_shape);
}

TEST(Conv, refuses_shapes_that_contradict) {
  EXPECT_EQ(refused({}, {1, 4, 2, 2}, {2, 4, 3, 3}), ErrorCode::bad_shape);  // larger than input
  EXPECT_EQ(refused({}, {1, 4, 5, 5}, {2, 3, 3, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {1, 4, 5, 5}, {2, 4, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {1, 4, 5, 5}, {2, 4, 0, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {4, 4}, {4, 4}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_conv(), ConvAttributes{}, {ramp({1, 1, 3}), ramp({2, 1, 3}), ramp({3})}),
            ErrorCode::bad_shape);
  const Tensor bytes = Tensor::zeros(DType::i8, {1, 1, 3});
  EXPECT_EQ(error_of(op_conv(), ConvAttributes{}, {bytes, bytes}), ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop

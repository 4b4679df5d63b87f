// SPDX-License-Identifier: Apache-2.0
// Resize against values computed by ONNX Runtime.
#include "ops/resize.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "run_data.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::run_op;
using test::values_of;

Tensor floats(const std::vector<float>& values) {
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor by_scale(const ResizeAttributes& attributes, const Tensor& x, float scale) {
  return run_op(op_resize(), attributes, {x, Tensor(), floats({scale})});
}

Tensor by_size(const ResizeAttributes& attributes, const Tensor& x, std::int64_t size) {
  return run_op(op_resize(), attributes, {x, Tensor(), Tensor(), i64s({size})});
}

void expect_near(const Tensor& y, const std::vector<float>& expected) {
  const auto values = y.values<float>();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << "at " << i;
  }
}

const Tensor kSquares = floats({0, 1, 4, 9});
const Tensor kMoreSquares = floats({0, 1, 4, 9, 16, 25, 36, 49});

TEST(Resize, interpolates_linearly) {
  const auto linear = [](ResizeCoordinates c) {
    return ResizeAttributes{.mode = ResizeMode::linear, .coordinates = c};
  };
  expect_near(by_scale(linear(ResizeCoordinates::half_pixel), kSquares, 2),
              {0, 0.25f, 0.75f, 1.75f, 3.25f, 5.25f, 7.75f, 9});
  expect_near(
      by_scale(linear(ResizeCoordinates::align_corners), kSquares, 2),
      {0, 0.42857143f, 0.85714287f, 1.857142806f, 3.142857075f, 4.714284897f, 6.857142448f, 9});
  expect_near(by_size(linear(ResizeCoordinates::asymmetric), kSquares, 6),
              {0, 0.66666669f, 2, 4, 7.33333397f, 9});
  expect_near(by_size(linear(ResizeCoordinates::pytorch_half_pixel), kSquares, 3),
              {0.16666669f, 2.5f, 8.16666603f});
}

TEST(Resize, interpolates_with_cubics) {
  ResizeAttributes cubic{.mode = ResizeMode::cubic};
  expect_near(by_scale(cubic, kSquares, 2), {-0.10546875f, 0.12109375f, 0.45703125f, 1.609375f,
                                             2.828125f, 5.44921875f, 7.97265625f, 9.52734375f});
  expect_near(by_size(cubic, kSquares, 3), {0.091435015f, 2.125f, 8.33449173f});
  cubic.exclude_outside = true;
  expect_near(by_scale(cubic, kSquares, 2), {-0.13636364f, 0.10954063f, 0.44150943f, 1.609375f,
                                             2.828125f, 5.56981134f, 8.07067108f, 9.68181801f});
}

TEST(Resize, widens_the_filter_with_antialias) {
  expect_near(by_size({.mode = ResizeMode::linear, .antialias = true}, kMoreSquares, 3),
              {1.813953638f, 13.452381134f, 37.139533997f});
  // ONNX's definition: its window for a cubic holds the elements within two of the shrunk axis.
  const Tensor y = by_size({.mode = ResizeMode::cubic, .antialias = true}, kMoreSquares, 3);
  EXPECT_NEAR(y.values<float>()[1], 12.050786972f, 1e-4);
}

TEST(Resize, rounds_to_the_nearest_as_asked) {
  const auto nearest = [](ResizeNearest how, ResizeCoordinates c = ResizeCoordinates::half_pixel) {
    return ResizeAttributes{.coordinates = c, .nearest = how};
  };
  using F = std::vector<float>;
  EXPECT_EQ(values_of<float>(by_size(nearest(ResizeNearest::round_prefer_floor), kSquares, 6)),
            (F{0, 0, 1, 4, 4, 9}));
  EXPECT_EQ(values_of<float>(by_size(nearest(ResizeNearest::round_prefer_ceil), kSquares, 6)),
            (F{0, 1, 1, 4, 9, 9}));
  EXPECT_EQ(values_of<float>(by_size(nearest(ResizeNearest::floor), kSquares, 6)),
            (F{0, 0, 1, 1, 4, 9}));
  EXPECT_EQ(values_of<float>(by_size(nearest(ResizeNearest::ceil), kSquares, 6)),
            (F{0, 1, 4, 4, 9, 9}));
  EXPECT_EQ(values_of<float>(by_scale(nearest(ResizeNearest::floor, ResizeCoordinates::asymmetric),
                                      kSquares, 0.6f)),
            (F{0, 1}));
}

TEST(Resize, keeps_whole_coordinates_whole_in_float) {
  // In float 4 / 1.3333334 is 3 exactly; a little less would take the element before.
  const ResizeAttributes floor{.coordinates = ResizeCoordinates::asymmetric,
                               .nearest = ResizeNearest::floor};
  const Tensor y = by_scale(floor, kSquares, 4.0f / 3);
  EXPECT_EQ(values_of<float>(y), (std::vector<float>{0, 0, 1, 4, 9}));
}

TEST(Resize, crops_and_extrapolates) {
  const ResizeAttributes crop{.mode = ResizeMode::linear,
                              .coordinates = ResizeCoordinates::tf_crop_and_resize,
                              .extrapolation_value = -7};
  const Tensor y = run_op(op_resize(), crop, {kSquares, floats({0.5f, 1.5f}), Tensor(), i64s({3})});
  expect_near(y, {2.5f, 9, -7});
}

TEST(Resize, keeps_the_aspect_ratio) {
  const Tensor x = test::iota({2, 4});
  const auto shape = [&](ResizeAspect aspect) {
    return run_op(op_resize(), ResizeAttributes{.aspect = aspect},
                  {x, Tensor(), Tensor(), i64s({6, 8})})
        .shape();
  };
  EXPECT_EQ(shape(ResizeAspect::not_larger), (Shape{4, 8}));
  EXPECT_EQ(shape(ResizeAspect::not_smaller), (Shape{6, 12}));
  EXPECT_EQ(shape(ResizeAspect::stretch), (Shape{6, 8}));
}

TEST(Resize, rounds_and_saturates_integers) {
  const Tensor x = Tensor::from<std::uint8_t>({2}, {0, 255});
  const Tensor y = by_size({.mode = ResizeMode::cubic}, x, 5);
  // -18.7, 41.9, 127.5, 213.1, 273.7 before rounding
  EXPECT_EQ(y.values<std::uint8_t>()[0], 0);
  EXPECT_EQ(y.values<std::uint8_t>()[2], 128);
  EXPECT_EQ(y.values<std::uint8_t>()[4], 255);
}

TEST(Resize, resizes_the_named_axes_of_any_type_to_the_nearest) {
  const Tensor words = Tensor::from_strings({1, 2}, {"a", "b"});
  const Tensor y =
      run_op(op_resize(), ResizeAttributes{.axes = {-1}}, {words, Tensor(), floats({2})});
  EXPECT_EQ(values_of<std::string>(y), (std::vector<std::string>{"a", "a", "b", "b"}));
  EXPECT_EQ(
      code_of([&] { by_scale({.mode = ResizeMode::linear}, Tensor::from_strings({1}, {"a"}), 2); }),
      ErrorCode::bad_type);
}

TEST(Resize, refuses_scales_that_are_no_sizes) {
  for (const float scale : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(code_of([&] { by_scale({}, kSquares, scale); }), ErrorCode::bad_value);
  }
  EXPECT_EQ(code_of([] { by_scale({}, kSquares, 1e30f); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { by_scale({}, kSquares, 1e16f); }), ErrorCode::limit_exceeded);
  EXPECT_EQ(by_scale({.mode = ResizeMode::linear, .antialias = true}, kSquares, 1e-30f).size(), 0);
}

TEST(Resize, refuses_parameters_that_contradict) {
  EXPECT_EQ(code_of([] { run_op(op_resize(), ResizeAttributes{}, {kSquares}); }),
            ErrorCode::model_malformed);
  EXPECT_EQ(code_of([] {
              run_op(op_resize(), ResizeAttributes{}, {kSquares, Tensor(), floats({2}), i64s({8})});
            }),
            ErrorCode::model_malformed);
  EXPECT_EQ(code_of([] {
              run_op(op_resize(), ResizeAttributes{}, {kSquares, Tensor(), floats({2, 2})});
            }),
            ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { by_size({}, kSquares, -1); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { by_size({}, floats({}), 3); }), ErrorCode::bad_shape);
  EXPECT_EQ(code_of([] { by_size({.axes = {1}}, kSquares, 3); }), ErrorCode::bad_attribute);
  const ResizeAttributes crop{.coordinates = ResizeCoordinates::tf_crop_and_resize};
  EXPECT_EQ(code_of([&] { by_size(crop, kSquares, 3); }), ErrorCode::model_malformed);
  EXPECT_EQ(
      code_of([&] {
        run_op(op_resize(), crop, {kSquares, floats({std::nanf(""), 1}), Tensor(), i64s({3})});
      }),
      ErrorCode::bad_value);
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// max_roi_pool and roi_align.
#include "ops/max_roi_pool.hpp"
#include "ops/roi_align.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr auto kMax = RoiAlignMode::max;
constexpr auto kUnshifted = RoiAlignCoordinates::output_half_pixel;

Tensor pool(const MaxRoiPoolAttributes& attributes, const Tensor& x,
            const std::vector<float>& rois) {
  return run_op(op_max_roi_pool(), attributes,
                {x, floats({static_cast<std::int64_t>(rois.size() / 5), 5}, rois)});
}

TEST(MaxRoiPool, takes_the_largest_of_each_bin) {
  const Tensor x = ramp({1, 1, 4, 4});
  expect_near(pool({.height = 2, .width = 2}, x, {0, 0, 0, 3, 3}), {1, 1, 2, 2}, {5, 7, 13, 15});
  // Both ends belong to the region; three rows in two bins overlap in the middle one.
  expect_near(pool({.height = 2, .width = 1}, x, {0, 1, 1, 2, 3}), {1, 1, 2, 1}, {10, 14});
  // Corners are scaled and rounded: (0.5, 1.4) to (1, 1), (3, 2.4) to (3, 2).
  expect_near(pool({.spatial_scale = 0.1f}, x, {0, 5, 14, 30, 24}), {1, 1, 1, 1}, {11});
  // A reversed region is one element.
  expect_near(pool({}, x, {0, 2, 2, 0, 0}), {1, 1, 1, 1}, {10});
  // Bins beyond the image hold nothing.
  expect_near(pool({.height = 1, .width = 2}, x, {0, 3, 0, 6, 0}), {1, 1, 1, 2}, {3, 0});
  expect_near(pool({}, floats({1, 1, 1, 2}, {-5, -7}), {0, 0, 0, 1, 0}), {1, 1, 1, 1}, {-5});
}

TEST(MaxRoiPool, takes_images_and_channels_apart) {
  const Tensor x = ramp({2, 2, 1, 2});
  expect_near(pool({}, x, {1, 0, 0, 1, 0, 0, 0, 0, 0, 0}), {2, 2, 1, 1}, {5, 7, 0, 2});
  EXPECT_EQ(pool({}, x, {}).shape(), (Shape{0, 2, 1, 1}));
}

TEST(MaxRoiPool, survives_any_region) {
  const Tensor x = ramp({1, 1, 2, 2}, 1);
  const float inf = INFINITY, nan = NAN;
  expect_near(pool({.height = 1, .width = 1}, x, {0, -inf, -inf, inf, inf}), {1, 1, 1, 1}, {0});
  expect_near(pool({}, x, {0, nan, nan, nan, nan}), {1, 1, 1, 1}, {0});
  expect_near(pool({}, x, {0, -1e30f, -1e30f, 1e30f, 1e30f}), {1, 1, 1, 1}, {4});
  const auto code = [&](const MaxRoiPoolAttributes& attributes, const std::vector<float>& rois) {
    return error_of(op_max_roi_pool(), attributes, {x, floats({1, 5}, rois)});
  };
  for (const float image : {1.0f, -1.0f, nan, inf}) {
    EXPECT_EQ(code({}, {image, 0, 0, 1, 1}), ErrorCode::bad_value);
  }
  EXPECT_EQ(code({.height = 0}, {0, 0, 0, 1, 1}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({.spatial_scale = nan}, {0, 0, 0, 1, 1}), ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_max_roi_pool(), MaxRoiPoolAttributes{}, {x, floats({1, 4}, {0, 0, 0, 0})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(
      infer_op(op_max_roi_pool(), MaxRoiPoolAttributes{.width = 3}, {"f32[N,C,H,W]", "f32[R,5]"})[0]
          .type.to_string(),
      "f32[R,C,1,3]");
}

Tensor align(const RoiAlignAttributes& attributes, const Tensor& x, const std::vector<float>& rois,
             std::vector<std::int64_t> images = {}) {
  images.resize(rois.size() / 4);
  const auto count = static_cast<std::int64_t>(images.size());
  return run_op(op_roi_align(), attributes,
                {x, floats({count, 4}, rois), Tensor::from<std::int64_t>({count}, images)});
}

TEST(RoiAlign, averages_samples) {
  const Tensor x = ramp({1, 1, 4, 4});
  // Without the shift one sample of a 2 x 2 region is at index 1.
  expect_near(align({.coordinates = kUnshifted, .sampling_ratio = 1}, x, {0, 0, 2, 2}),
              {1, 1, 1, 1}, {5});
  // With it, at 0.5.
  expect_near(align({.sampling_ratio = 1}, x, {0, 0, 2, 2}), {1, 1, 1, 1}, {2.5});
  // Two by two samples, at 0 and 1 of each axis; the ratio follows from the size of 2 too.
  expect_near(align({.sampling_ratio = 2}, x, {0, 0, 2, 2}), {1, 1, 1, 1}, {2.5});
  expect_near(align({}, x, {0, 0, 2, 2}), {1, 1, 1, 1}, {2.5});
  expect_near(align({.height = 1, .width = 2}, x, {0, 0, 4, 4}), {1, 1, 1, 2}, {6.5, 8.5});
  expect_near(align({.sampling_ratio = 1, .spatial_scale = 0.5f}, x, {4, 2, 8, 6}), {1, 1, 1, 1},
              {8.5});
}

TEST(RoiAlign, takes_the_border_near_the_image_and_zero_beyond) {
  const Tensor x = floats({1, 1, 1, 2}, {10, 20});
  const RoiAlignAttributes one{.sampling_ratio = 1};
  const auto at = [&](float centre) {
    return align(one, x, {centre + 0.5f - 0.25f, 0.25f, centre + 0.5f + 0.25f, 0.75f})
        .values<float>()[0];
  };
  EXPECT_EQ(at(0.5f), 15);
  EXPECT_EQ(at(-1), 10);
  EXPECT_EQ(at(-1.25f), 0);
  EXPECT_EQ(at(1.75f), 20);
  EXPECT_EQ(at(2), 20);
  EXPECT_EQ(at(2.25f), 0);
}

TEST(RoiAlign, takes_the_largest_weighted_neighbour) {
  const Tensor x = floats({1, 1, 2, 2}, {8, 4, 4, 40});
  // One sample in the middle: every neighbour counts a quarter.
  expect_near(align({.mode = kMax, .sampling_ratio = 1}, x, {0, 0, 2, 2}), {1, 1, 1, 1}, {10});
  // A sample beyond the image is 0, which is more than the others.
  expect_near(align({.mode = kMax, .height = 1, .width = 1, .sampling_ratio = 2},
                    floats({1, 1, 1, 1}, {-6}), {-2, 0, 1, 1}),
              {1, 1, 1, 1}, {0});
  expect_near(align({.mode = kMax, .sampling_ratio = 1}, floats({1, 1, 1, 1}, {-6}), {0, 0, 1, 1}),
              {1, 1, 1, 1}, {0});
}

TEST(RoiAlign, takes_images_and_channels_apart) {
  const Tensor x = ramp({2, 2, 1, 1});
  expect_near(align({}, x, {0, 0, 1, 1, 0, 0, 1, 1}, {1, 0}), {2, 2, 1, 1}, {2, 3, 0, 1});
  EXPECT_EQ(align({}, x, {}).shape(), (Shape{0, 2, 1, 1}));
  EXPECT_EQ(align({}, floats({1, 1, 0, 3}, {}), {0, 0, 1, 1}).values<float>()[0], 0);
}

TEST(RoiAlign, survives_any_region) {
  const Tensor x = ramp({1, 1, 3, 3}, 1);
  const float inf = INFINITY, nan = NAN;
  const std::vector<std::vector<float>> wild = {{nan, nan, nan, nan},
                                                {-inf, -inf, inf, inf},
                                                {-3e38f, -3e38f, 3e38f, 3e38f},
                                                {-1e15f, 0, 1e15f, 3},
                                                {2, 2, 0, 0},
                                                {1, 1, 1, 1},
                                                {1e30f, 1e30f, 2e30f, 2e30f},
                                                {-1e9f, -1e9f, 1e9f, 1e9f}};
  for (const auto& roi : wild) {
    for (const auto mode : {RoiAlignMode::avg, kMax}) {
      for (const auto coordinates : {RoiAlignCoordinates::half_pixel, kUnshifted}) {
        for (const std::int64_t ratio : {0, 3}) {
          const double value = doubles_of(align(
              {.mode = mode, .coordinates = coordinates, .sampling_ratio = ratio}, x, roi))[0];
          EXPECT_GE(value, 0);
          EXPECT_LE(value, 9);
        }
      }
    }
  }
}

TEST(RoiAlign, refuses_what_does_not_fit) {
  const Tensor x = ramp({1, 1, 2, 2});
  const auto code = [&](const RoiAlignAttributes& attributes, std::int64_t image = 0,
                        Shape rois = {1, 4}) {
    return error_of(
        op_roi_align(), attributes,
        {x, Tensor::zeros(DType::f32, std::move(rois)), Tensor::from<std::int64_t>({1}, {image})});
  };
  EXPECT_EQ(code({}), ErrorCode::ok);
  EXPECT_EQ(code({}, 1), ErrorCode::bad_value);
  EXPECT_EQ(code({}, -1), ErrorCode::bad_value);
  EXPECT_EQ(code({}, 0, {1, 5}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, 0, {2, 4}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.height = 0}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({.sampling_ratio = -1}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({.sampling_ratio = 1 << 20}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({.spatial_scale = INFINITY}), ErrorCode::bad_attribute);
  EXPECT_EQ(infer_op(op_roi_align(), RoiAlignAttributes{.height = 7, .width = 5},
                     {"f16[N,C,H,W]", "f16[*]", "i64[R]"})[0]
                .type.to_string(),
            "f16[R,C,7,5]");
}

}  // namespace
}  // namespace strop

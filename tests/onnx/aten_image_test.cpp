// SPDX-License-Identifier: Apache-2.0
// Images, as PyTorch resizes, samples, pools and shuffles them.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = floats({1, 1, 2, 2}, {1, 2, 3, 4});
const std::set<std::size_t> kOpen = {0};

TEST(AtenUpsample, nearest_by_sizes_and_factors) {
  const std::vector<double> wanted = {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4};
  const Shape shape = {1, 1, 4, 4};
  expect_near(run_aten({"upsample_nearest2d", {kX, list({4, 4})}}), shape, wanted);
  expect_near(run_aten({"upsample_nearest2d", {kX, list({4, 4}), real(2), real(2)}}, kOpen), shape,
              wanted);
  const Tensor factors = floats({2}, {2, 2});
  expect_near(run_aten({"upsample_nearest2d.vec", {kX, none(), factors}}, kOpen), shape, wanted);
  expect_near(run_aten({"upsample_nearest2d", {kX, list({4, 4}), none()}}), shape, wanted);
  // The sizes are computed by the graph.
  expect_near(run_aten({"upsample_nearest2d", {kX, list({4, 4}), none(), none()}}, {0, 1}), shape,
              wanted);
  // Factors that the sizes contradict do not count.
  expect_near(run_aten({"upsample_nearest2d", {kX, list({1, 2}), real(2), real(2)}}), {1, 1, 1, 2},
              {1, 2});
  expect_near(run_aten({"upsample_nearest1d", {floats({1, 1, 2}, {1, 2}), list({3}), none()}}),
              {1, 1, 3}, {1, 1, 2});
}

TEST(AtenUpsample, between_elements) {
  const Tensor x = floats({1, 1, 1, 2}, {0, 4});
  expect_near(run_aten({"upsample_bilinear2d", {x, list({1, 4}), yes(false), none(), none()}}),
              {1, 1, 1, 4}, {0, 1, 3, 4});
  expect_near(run_aten({"upsample_bilinear2d", {x, list({1, 5}), yes(true), none(), none()}}),
              {1, 1, 1, 5}, {0, 1, 2, 3, 4});
  const Tensor factors = floats({2}, {1, 2});
  expect_near(run_aten({"upsample_bilinear2d.vec", {x, none(), yes(false), factors}}, kOpen),
              {1, 1, 1, 4}, {0, 1, 3, 4});
  // Weights at a quarter, for a = -0.75: -0.10546875, 0.87890625, 0.26171875, -0.03515625.
  expect_near(run_aten({"upsample_bicubic2d", {x, list({1, 4}), yes(false), none(), none()}}),
              {1, 1, 1, 4}, {-0.421875, 0.90625, 3.09375, 4.421875});
}

TEST(AtenUpsample, is_refused) {
  EXPECT_EQ(aten_refusal({"upsample_nearest2d.vec", {kX, none(), none()}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"upsample_nearest2d", {kX, list({4}), none(), none()}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"upsample_nearest2d.vec", {kX, none(), floats({2}, {-1, 2})}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"upsample_nearest3d", {kX, list({4, 4, 4})}}),
            ErrorCode::model_malformed);
  EXPECT_NE(aten_refusal({"upsample_nearest2d", {kX, list({-4, 4})}}), ErrorCode::internal);
}

TEST(AtenGrid, samples) {
  const Tensor grid = floats({1, 1, 2, 2}, {-1, -1, 0, 0});
  const auto sample = [&](std::int64_t mode, std::int64_t padding) {
    return AtenNode{"grid_sampler", {kX, grid, whole(mode), whole(padding), yes(true)}};
  };
  expect_near(run_aten(sample(0, 0), {0, 1}), {1, 1, 1, 2}, {1, 2.5});
  expect_near(run_aten(sample(2, 1)), {1, 1, 1, 2}, {1, 2.5});
  EXPECT_EQ(aten_refusal(sample(3, 0)), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal(sample(0, -1)), ErrorCode::model_malformed);
  const Tensor theta = floats({1, 2, 3}, {1, 0, 0, 0, 1, 0});
  const auto affine = [&](std::int64_t height, bool corners) {
    return AtenNode{"affine_grid_generator", {theta, list({1, 1, height, 2}), yes(corners)}};
  };
  expect_near(run_aten(affine(2, true)), {1, 2, 2, 2}, {-1, -1, 1, -1, -1, 1, 1, 1});
  expect_near(run_aten(affine(1, false)), {1, 1, 2, 2}, {-0.5, 0, 0.5, 0});
  EXPECT_EQ(aten_refusal(affine(1, true)), ErrorCode::unsupported_operator);
}

TEST(AtenPool, adaptive_windows) {
  const Tensor x = floats({1, 1, 5}, {1, 2, 3, 4, 5});
  // Windows 0-1, 1-3, 3-4.
  expect_near(run_aten({"adaptive_avg_pool1d", {x, list({3})}}), {1, 1, 3}, {1.5, 3, 4.5});
  expect_near(run_aten({"adaptive_max_pool1d", {x, list({3})}}), {1, 1, 3}, {2, 4, 5});
  expect_near(run_aten({"adaptive_avg_pool2d", {kX, list({1, 1})}}, kOpen), {1, 1, 1, 1}, {2.5});
  expect_near(run_aten({"adaptive_avg_pool2d", {kX, list({1, 2})}}), {1, 1, 1, 2}, {2, 3});
  expect_near(run_aten({"adaptive_avg_pool2d", {kX, list({4, 2})}}), {1, 1, 4, 2},
              {1, 2, 1, 2, 3, 4, 3, 4});
  EXPECT_EQ(aten_refusal({"adaptive_avg_pool1d", {x, list({3})}}, kOpen),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(aten_refusal({"adaptive_avg_pool1d", {x, list({0})}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"adaptive_avg_pool1d", {x, list({INT64_MAX})}}),
            ErrorCode::unsupported_operator);
}

TEST(AtenPool, windows) {
  expect_near(
      run_aten({"max_pool2d", {kX, list({2, 2}), list({}), list({0, 0}), list({1, 1}), yes(false)}},
               kOpen),
      {1, 1, 1, 1}, {4});
  const auto average = [](bool count) {
    return AtenNode{"avg_pool2d",
                    {kX, list({2}), list({2}), list({1}), yes(false), yes(count), none()}};
  };
  expect_near(run_aten(average(true)), {1, 1, 2, 2}, {0.25, 0.5, 0.75, 1});
  expect_near(run_aten(average(false)), {1, 1, 2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(aten_refusal({"max_pool2d", {kX, list({1, 2, 3})}}), ErrorCode::model_malformed);
}

TEST(AtenPixels, shuffle) {
  const Tensor x = floats({1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const std::vector<double> wide = {1, 3, 2, 4, 5, 7, 6, 8};
  expect_near(run_aten({"pixel_shuffle", {x, whole(2)}}, kOpen), {1, 1, 2, 4}, wide);
  const Tensor y = floats({1, 1, 2, 4}, {1, 3, 2, 4, 5, 7, 6, 8});
  expect_near(run_aten({"pixel_unshuffle", {y, whole(2)}}, kOpen), {1, 4, 1, 2},
              {1, 2, 3, 4, 5, 6, 7, 8});
  expect_near(run_aten({"channel_shuffle", {floats({1, 4, 1}, {1, 2, 3, 4}), whole(2)}}), {1, 4, 1},
              {1, 3, 2, 4});
  EXPECT_EQ(aten_refusal({"pixel_shuffle", {x, whole(3)}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"pixel_shuffle", {x, whole(0)}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"pixel_shuffle", {x, whole(INT64_MAX)}}), ErrorCode::model_malformed);
}

}  // namespace
}  // namespace strop::onnx

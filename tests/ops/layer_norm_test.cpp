// SPDX-License-Identifier: Apache-2.0
#include "ops/layer_norm.hpp"

#include "ops/group_norm.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

const double kRoot = std::sqrt(1.5);  // of (1, 2, 3) the deviation is 1 / kRoot

TEST(LayerNorm, normalises_the_last_axes) {
  const LayerNormAttributes exact{.axis = 1, .epsilon = 0};
  expect_near(run_op(op_layer_norm(), exact, {floats({2, 3}, {1, 2, 3, 30, 10, 20})}), {2, 3},
              {-kRoot, 0, kRoot, kRoot, -kRoot, 0});
  // Both axes are one row of 1, 1, 3, 3.
  expect_near(run_op(op_layer_norm(), LayerNormAttributes{.axis = 0, .epsilon = 3},
                     {floats({2, 2}, {1, 1, 3, 3})}),
              {2, 2}, {-0.5, -0.5, 0.5, 0.5});
  expect_near(run_op(op_layer_norm(), LayerNormAttributes{.axis = -1, .epsilon = 0},
                     {floats({2, 3}, {1, 2, 3, 30, 10, 20})}),
              {2, 3}, {-kRoot, 0, kRoot, kRoot, -kRoot, 0});
}

TEST(LayerNorm, scale_and_bias_broadcast_to_the_row) {
  const LayerNormAttributes exact{.axis = 1, .epsilon = 0};
  const Tensor x = floats({1, 3}, {1, 2, 3});
  expect_near(run_op(op_layer_norm(), exact, {x, floats({3}, {1, 2, 4}), floats({3}, {0, 5, 1})}),
              {1, 3}, {-kRoot, 5, 4 * kRoot + 1});
  expect_near(run_op(op_layer_norm(), exact, {x, floats({}, {2}), floats({1}, {7})}), {1, 3},
              {7 - 2 * kRoot, 7, 7 + 2 * kRoot});
  expect_near(run_op(op_layer_norm(), exact, {x, Tensor{}, floats({3}, {1, 2, 3})}), {1, 3},
              {1 - kRoot, 2, 3 + kRoot});
  // Normalised over [2, 2], scaled along its first axis.
  expect_near(run_op(op_layer_norm(), LayerNormAttributes{.axis = 0, .epsilon = 3},
                     {floats({2, 2}, {1, 1, 3, 3}), floats({2, 1}, {2, 10})}),
              {2, 2}, {-1, -1, 5, 5});
}

TEST(LayerNorm, without_centring_divides_by_the_root_mean_square) {
  const LayerNormAttributes rms{.axis = 1, .epsilon = 0, .centred = false};
  expect_near(run_op(op_layer_norm(), rms, {floats({1, 2}, {6, 8})}), {1, 2},
              {6 / std::sqrt(50.0), 8 / std::sqrt(50.0)});
  const LayerNormAttributes with_epsilon{.axis = 1, .epsilon = 50, .centred = false};
  expect_near(run_op(op_layer_norm(), with_epsilon, {floats({1, 2}, {6, 8})}), {1, 2}, {0.6, 0.8});
}

TEST(LayerNorm, gives_its_statistics) {
  const auto out = run_op_many(op_layer_norm(), LayerNormAttributes{.axis = 1, .epsilon = 1},
                               {floats({2, 4}, {1, 3, 1, 3, 5, 5, 5, 5})}, 3);
  expect_near(out[1], {2, 1}, {2, 5});
  expect_near(out[2], {2, 1}, {std::sqrt(0.5), 1});
  const Tensor half = Tensor::from<float16>({1, 2}, {float16(2.0f), float16(4.0f)});
  const auto narrow = run_op_many(op_layer_norm(), LayerNormAttributes{.axis = 1}, {half}, 2);
  EXPECT_EQ(narrow[0].dtype(), DType::f16);
  EXPECT_EQ(narrow[1].dtype(), DType::f32);
  const Tensor wide = Tensor::from<double>({1, 2}, {2, 4});
  EXPECT_EQ(run_op_many(op_layer_norm(), LayerNormAttributes{.axis = 1}, {wide}, 2)[1].dtype(),
            DType::f64);
}

TEST(LayerNorm, statistics_of_16_bit_floats_are_in_float) {
  // The squares of 300 do not fit into FP16, and 2048 + 1 not into its 11 bits.
  std::vector<float16> values(64, float16(300.0f));
  values[0] = float16(-300.0f);
  const Tensor y = run_op(op_layer_norm(), LayerNormAttributes{.axis = 1, .centred = false},
                          {Tensor::from<float16>({1, 64}, values)});
  EXPECT_EQ(static_cast<float>(y.values<float16>()[0]), -1.0f);
  EXPECT_EQ(static_cast<float>(y.values<float16>()[63]), 1.0f);
  // Scale and bias may be wider than x.
  expect_near(run_op(op_layer_norm(), LayerNormAttributes{.axis = 1, .centred = false},
                     {Tensor::from<bfloat16>({1, 1}, {bfloat16(3.0f)}), floats({1}, {2}),
                      floats({1}, {0.5})}),
              {1, 1}, {2.5});
}

TEST(LayerNorm, long_rows_and_empty_ones) {
  const std::int64_t size = 1300;  // more than two chunks
  Tensor x = ramp({2, size});
  const Tensor y = run_op(op_layer_norm(), LayerNormAttributes{.axis = 1, .epsilon = 0}, {x});
  const double deviation = std::sqrt((static_cast<double>(size * size) - 1) / 12);
  const double middle = static_cast<double>(size - 1) / 2;
  for (const std::int64_t i : {0, 511, 512, 1299}) {
    EXPECT_NEAR(static_cast<double>(y.values<float>()[static_cast<std::size_t>(i)]),
                (static_cast<double>(i) - middle) / deviation, 1e-5);
  }
  const LayerNormAttributes last{.axis = 1};
  EXPECT_EQ(run_op(op_layer_norm(), last, {ramp({0, 3})}).shape(), (Shape{0, 3}));
  const auto none = run_op_many(op_layer_norm(), last, {ramp({2, 0})}, 3);
  EXPECT_EQ(none[0].shape(), (Shape{2, 0}));
  EXPECT_TRUE(std::isnan(none[1].values<float>()[1]));
  // No element to compute: the rows are not walked.
  const std::int64_t huge = std::int64_t{1} << 60;
  EXPECT_EQ(run_op(op_layer_norm(), last, {ramp({huge, 0})}).size(), 0);
  const Tensor nan = run_op(op_layer_norm(), last, {floats({2, 2}, {NAN, 1, 1, 3})});
  EXPECT_TRUE(std::isnan(nan.values<float>()[1]));
  EXPECT_FALSE(std::isnan(nan.values<float>()[2]));
}

TEST(LayerNorm, refuses_what_does_not_fit) {
  const LayerNormAttributes last{.axis = 1};
  EXPECT_EQ(error_of(op_layer_norm(), last, {ramp({2, 3}), ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_layer_norm(), last, {ramp({2, 3}), ramp({1, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_layer_norm(), last, {ramp({2, 3}), ramp({3}), ramp({6})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_layer_norm(), LayerNormAttributes{.axis = 2}, {ramp({2, 3})}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_layer_norm(), LayerNormAttributes{}, {ramp({})}), ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_layer_norm(), last, {Tensor::from<std::int32_t>({1, 1}, {1})}),
            ErrorCode::bad_type);
}

TEST(LayerNorm, shapes_may_be_open) {
  const auto out = infer_op(op_layer_norm(), LayerNormAttributes{.axis = 2},
                            {"f16[N,L,768]", "f32[768]", "f32[H]"}, 3);
  EXPECT_EQ(out[0].type.to_string(), "f16[N,L,768]");
  EXPECT_EQ(out[1].type.to_string(), "f32[N,L,1]");
  EXPECT_EQ(infer_op(op_layer_norm(), LayerNormAttributes{}, {"f32[*]"})[0].type.to_string(),
            "f32[*]");
}

TEST(GroupNorm, normalises_each_group_of_channels) {
  const Tensor x = floats({1, 4, 2}, {1, 3, 1, 3, 10, 10, 30, 30});
  expect_near(run_op(op_group_norm(), GroupNormAttributes{.groups = 2, .epsilon = 0}, {x}),
              {1, 4, 2}, {-1, 1, -1, 1, -1, -1, 1, 1});
  expect_near(run_op(op_group_norm(), GroupNormAttributes{.groups = 2, .epsilon = 0},
                     {x, floats({4}, {1, 2, 3, 4}), floats({4}, {0, 0, 1, 100})}),
              {1, 4, 2}, {-1, 1, -2, 2, -2, -2, 104, 104});
  // Each channel by itself.
  expect_near(run_op(op_group_norm(), GroupNormAttributes{.groups = 0, .epsilon = 1e-12},
                     {x, Tensor{}, floats({4}, {0, 1, 2, 3})}),
              {1, 4, 2}, {-1, 1, 0, 2, 2, 2, 3, 3});
  // Samples do not mix; without spatial axes channels are elements.
  expect_near(run_op(op_group_norm(), GroupNormAttributes{.groups = 1, .epsilon = 0},
                     {floats({2, 2}, {1, 3, 20, 10})}),
              {2, 2}, {-1, 1, 1, -1});
}

TEST(GroupNorm, corners_and_refusals) {
  EXPECT_EQ(run_op(op_group_norm(), GroupNormAttributes{.groups = 2}, {ramp({2, 4, 0})}).shape(),
            (Shape{2, 4, 0}));
  EXPECT_EQ(run_op(op_group_norm(), GroupNormAttributes{}, {ramp({0, 4, 3})}).size(), 0);
  EXPECT_EQ(run_op(op_group_norm(), GroupNormAttributes{}, {ramp({3, 0, 3})}).size(), 0);
  const auto refuse = [](const GroupNormAttributes& attributes, const std::vector<Tensor>& inputs) {
    return error_of(op_group_norm(), attributes, inputs);
  };
  EXPECT_EQ(refuse({.groups = 3}, {ramp({1, 4, 2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(refuse({.groups = -1}, {ramp({1, 4, 2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(refuse({.groups = 2}, {ramp({4})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({.groups = 2}, {ramp({1, 4}), ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refuse({.groups = 2}, {ramp({1, 4}), ramp({4}), ramp({4, 1})}), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_group_norm(), GroupNormAttributes{.groups = 2},
                     {"f32[N,C,H,W]", "f32[C]", "f32[*]"})[0]
                .type.to_string(),
            "f32[N,C,H,W]");
}

}  // namespace
}  // namespace strop

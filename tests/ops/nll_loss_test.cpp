// SPDX-License-Identifier: Apache-2.0
#include "ops/nll_loss.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr auto kNone = LossReduction::none;
constexpr auto kSum = LossReduction::sum;

const Tensor kX = floats({2, 3, 2}, {1, 2, 2, 2, 3, 2, 0, 1, 2, 2, 1, 2});
const Tensor kClasses = Tensor::from<std::int64_t>({2, 2}, {2, 1, 0, 2});
const Tensor kWeights = floats({3}, {0.5f, 2, 1});

Tensor loss(const NllLossAttributes& attributes, const Tensor& classes,
            const Tensor& weights = {}) {
  return run_op(op_nll_loss(), attributes, {kX, classes, weights});
}

TEST(NllLoss, is_what_the_class_lacks) {
  expect_near(loss({.reduction = kNone}, kClasses), {2, 2}, {-3, -2, 0, -2});
  expect_near(loss({.reduction = kSum}, kClasses), {}, {-7});
  expect_near(loss({}, kClasses), {}, {-7.0 / 4});
  expect_near(loss({.reduction = kNone}, Tensor::from<std::int32_t>({2, 2}, {2, 1, 0, 2})), {2, 2},
              {-3, -2, 0, -2});
}

TEST(NllLoss, weighs_classes) {
  expect_near(loss({.reduction = kNone}, kClasses, kWeights), {2, 2}, {-3, -4, 0, -2});
  expect_near(loss({.reduction = kSum}, kClasses, kWeights), {}, {-9});
  expect_near(loss({}, kClasses, kWeights), {}, {-9 / 4.5});
}

TEST(NllLoss, leaves_out_a_class) {
  expect_near(loss({.reduction = kNone, .ignore_index = 2}, kClasses), {2, 2}, {0, -2, 0, 0});
  expect_near(loss({.ignore_index = 2}, kClasses), {}, {-1});
  expect_near(loss({.ignore_index = 2}, kClasses, kWeights), {}, {-4 / 2.5});
  // It need not be a class.
  const Tensor outside = Tensor::from<std::int64_t>({2, 2}, {-7, 1, 0, -7});
  expect_near(loss({.reduction = kSum, .ignore_index = -7}, outside), {}, {-2});
  const Tensor all = Tensor::from<std::int64_t>({2, 2}, {9, 9, 9, 9});
  expect_near(loss({.ignore_index = 9}, all), {}, {NAN});
  expect_near(loss({.reduction = kSum, .ignore_index = 9}, all), {}, {0});
}

TEST(NllLoss, refuses_classes_out_of_range) {
  for (const std::int64_t c : {-1, 3, 1 << 30}) {
    const Tensor classes = Tensor::from<std::int64_t>({2, 2}, {0, c, 0, 0});
    for (const auto reduction : {kNone, kSum}) {
      EXPECT_EQ(error_of(op_nll_loss(), NllLossAttributes{.reduction = reduction}, {kX, classes}),
                ErrorCode::bad_value);
    }
  }
}

TEST(NllLoss, refuses_shapes_that_do_not_fit) {
  const auto code = [](Shape x, Shape classes, Shape weights) {
    return error_of(
        op_nll_loss(), NllLossAttributes{},
        {Tensor::zeros(DType::f32, std::move(x)), Tensor::zeros(DType::i64, std::move(classes)),
         Tensor::zeros(DType::f32, std::move(weights))});
  };
  EXPECT_EQ(code({2, 3}, {2}, {3}), ErrorCode::ok);
  EXPECT_EQ(code({0, 3, 4}, {0, 4}, {3}), ErrorCode::ok);
  EXPECT_EQ(code({2, 0}, {2}, {0}), ErrorCode::bad_value);
  EXPECT_EQ(code({2, 3}, {3}, {3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({2, 3, 1}, {2}, {3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({2, 3}, {2}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({2}, {2}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({2, 3}, {}, {3}), ErrorCode::bad_shape);
}

TEST(NllLoss, keeps_types_and_open_shapes) {
  const auto type = [](LossReduction reduction, const std::vector<std::string>& inputs) {
    return infer_op(op_nll_loss(), NllLossAttributes{.reduction = reduction}, inputs)[0]
        .type.to_string();
  };
  EXPECT_EQ(type(kNone, {"f16[N,C,H]", "i32[N,H]"}), "f16[N,H]");
  EXPECT_EQ(type(kNone, {"f32[*]", "i64[N,H]"}), "f32[N,H]");
  EXPECT_EQ(type(kNone, {"f32[*]", "i64[*]"}), "f32[*]");
  EXPECT_EQ(type(kSum, {"f64[*]", "i64[*]"}), "f64[]");
}

}  // namespace
}  // namespace strop

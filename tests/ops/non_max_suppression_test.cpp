// SPDX-License-Identifier: Apache-2.0
#include "ops/non_max_suppression.hpp"

#include <gtest/gtest.h>

#include "base/parallel.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using I64 = std::vector<std::int64_t>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor most(std::int64_t count) { return Tensor::from<std::int64_t>({1}, {count}); }
Tensor threshold(float value) { return floats({}, {value}); }

void expect_selected(const std::vector<Tensor>& inputs, const I64& wanted,
                     BoxFormat format = BoxFormat::corners) {
  const Tensor out =
      run_op(op_non_max_suppression(), NonMaxSuppressionAttributes{.format = format}, inputs);
  EXPECT_EQ(out.shape(), (Shape{static_cast<std::int64_t>(wanted.size()) / 3, 3}));
  EXPECT_EQ(values_of<std::int64_t>(out), wanted);
}

// Three columns of boxes one high; the second overlaps the first by nine tenths.
const Tensor kBoxes = floats({1, 4, 4}, {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 5, 1, 6, 0, 9, 1, 10});

TEST(NonMaxSuppression, drops_what_overlaps_a_better_box) {
  const Tensor scores = floats({1, 1, 4}, {0.5f, 0.9f, 0.6f, 0.1f});
  expect_selected({kBoxes, scores, most(4), threshold(0.5f)}, {0, 0, 1, 0, 0, 2, 0, 0, 3});
  expect_selected({kBoxes, scores, most(2), threshold(0.5f)}, {0, 0, 1, 0, 0, 2});
  expect_selected({kBoxes, scores, most(4), threshold(0.5f), threshold(0.55f)}, {0, 0, 1, 0, 0, 2});
  expect_selected({kBoxes, scores, most(4), threshold(0.9f)}, {0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 3});
}

TEST(NonMaxSuppression, an_overlap_equal_to_the_threshold_is_kept) {
  // Half of each box is shared: 1 of 3.
  const Tensor boxes = floats({1, 2, 4}, {0, 0, 1, 2, 0, 1, 1, 3});
  const Tensor scores = floats({1, 1, 2}, {2, 1});
  expect_selected({boxes, scores, most(2), threshold(1.0f / 3)}, {0, 0, 0, 0, 0, 1});
  expect_selected({boxes, scores, most(2), threshold(0.33f)}, {0, 0, 0});
}

TEST(NonMaxSuppression, goes_through_batches_and_classes) {
  const Tensor boxes = floats({2, 2, 4}, {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 5, 5, 6, 6});
  const Tensor scores = floats({2, 2, 2}, {1, 2, 4, 3, 5, 6, 8, 7});
  expect_selected({boxes, scores, most(9)}, {0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 1});
}

TEST(NonMaxSuppression, takes_any_two_opposite_corners_or_the_center) {
  const Tensor flipped = floats({1, 2, 4}, {1, 1, 0, 0, 0, 1.1f, 1, 0.1f});
  const Tensor scores = floats({1, 1, 2}, {1, 2});
  expect_selected({flipped, scores, most(2), threshold(0.5f)}, {0, 0, 1});
  // The same boxes as x, y of the center, width, height.
  const Tensor centers = floats({1, 2, 4}, {0.5f, 0.5f, 1, 1, 0.6f, 0.5f, 1, 1});
  expect_selected({centers, scores, most(2), threshold(0.5f)}, {0, 0, 1}, BoxFormat::center);
}

TEST(NonMaxSuppression, of_equal_scores_the_lower_index_comes_first) {
  const Tensor scores = floats({1, 1, 4}, {1, 1, 1, 1});
  expect_selected({kBoxes, scores, most(4), threshold(0.5f)}, {0, 0, 0, 0, 0, 2, 0, 0, 3});
}

TEST(NonMaxSuppression, a_score_must_be_above_its_threshold_and_a_number) {
  const Tensor scores = floats({1, 1, 4}, {1, kNan, 0.5f, -1});
  expect_selected({kBoxes, scores, most(4), Tensor(), threshold(0.5f)}, {0, 0, 0});
  expect_selected({kBoxes, scores, most(4)}, {0, 0, 0, 0, 0, 2, 0, 0, 3});
}

TEST(NonMaxSuppression, boxes_without_area_overlap_nothing) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor boxes = floats({1, 5, 4}, {0, 0, 1,    1, 0.5f, 0.5f, 0.5f, 1,  kNan, 0, 1, 1,  //
                                          0, 0, kNan, 1, -inf, -inf, inf,  inf});
  const Tensor scores = floats({1, 1, 5}, {5, 4, 3, 2, 1});
  expect_selected({boxes, scores, most(5)}, {0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4});
}

TEST(NonMaxSuppression, without_a_limit_selects_nothing) {
  const Tensor scores = floats({1, 1, 4}, {1, 1, 1, 1});
  expect_selected({kBoxes, scores}, {});
  expect_selected({kBoxes, scores, most(0)}, {});
  expect_selected({kBoxes, scores, most(-5)}, {});
  expect_selected(
      {Tensor::zeros(DType::f32, {1, 0, 4}), Tensor::zeros(DType::f32, {1, 2, 0}), most(5)}, {});
  expect_selected(
      {Tensor::zeros(DType::f32, {1, 3, 4}), Tensor::zeros(DType::f32, {1, 0, 3}), most(5)}, {});
}

TEST(NonMaxSuppression, of_a_hundred_thousand_boxes_takes_no_quadratic_time) {
  const std::int64_t count = 100'000;
  Tensor boxes = Tensor::allocate(DType::f32, {1, count, 4});
  for (std::int64_t i = 0; i < count; ++i) {  // a hundred places
    const auto at = static_cast<float>(i % 100 * 10);
    const float box[] = {at, 0, at + 1, 1};
    std::copy_n(box, 4, boxes.mutable_values<float>().data() + i * 4);
  }
  const Tensor scores = ramp({1, 1, count});
  const std::vector<Tensor> inputs = {boxes, scores, most(count), threshold(0.5f)};
  const Tensor out = run_op(op_non_max_suppression(), NonMaxSuppressionAttributes{}, inputs);
  EXPECT_EQ(out.shape(), (Shape{100, 3}));
  EXPECT_EQ(out.values<std::int64_t>()[2], count - 1);
}

TEST(NonMaxSuppression, ends_at_the_deadline) {
  const std::int64_t count = 20'000;
  Tensor boxes = Tensor::allocate(DType::f32, {1, count, 4});
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<float>(i * 2);
    const float box[] = {at, 0, at + 1, 1};
    std::copy_n(box, 4, boxes.mutable_values<float>().data() + i * 4);
  }
  const Datum data[] = {boxes, ramp({1, 1, count}), most(count)};
  const Datum* inputs[] = {&data[0], &data[1], &data[2]};
  std::vector<Datum> outputs;
  RunLimits limits;
  limits.deadline = std::chrono::steady_clock::now();
  EXPECT_THROW(evaluate_op(op_non_max_suppression(), NonMaxSuppressionAttributes{}, inputs, {}, 1,
                           outputs, limits),
               Error);
}

TEST(NonMaxSuppression, refuses_what_does_not_fit) {
  const auto error = [](const std::vector<Tensor>& inputs) {
    return error_of(op_non_max_suppression(), NonMaxSuppressionAttributes{}, inputs);
  };
  const Tensor scores = floats({1, 1, 4}, {1, 1, 1, 1});
  EXPECT_EQ(error({ramp({1, 4, 3}), scores}), ErrorCode::bad_shape);
  EXPECT_EQ(error({ramp({4, 4}), scores}), ErrorCode::bad_shape);
  EXPECT_EQ(error({kBoxes, ramp({1, 1, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(error({kBoxes, ramp({2, 1, 4})}), ErrorCode::bad_shape);
  EXPECT_EQ(error({kBoxes, scores, Tensor::from<std::int64_t>({2}, {1, 1})}), ErrorCode::bad_shape);
  EXPECT_EQ(error({kBoxes, scores, most(1), Tensor::zeros(DType::f32, {0})}), ErrorCode::bad_shape);
  EXPECT_EQ(error({kBoxes, scores, most(1), threshold(1.5f)}), ErrorCode::bad_value);
  EXPECT_EQ(error({kBoxes, scores, most(1), threshold(kNan)}), ErrorCode::bad_value);
  EXPECT_EQ(error({Tensor::zeros(DType::f64, {1, 4, 4}), scores}), ErrorCode::bad_type);
}

TEST(NonMaxSuppression, infers_an_unknown_count) {
  const auto type = [](const std::vector<std::string>& inputs,
                       const std::vector<std::vector<Dim>>& known = {}) {
    return infer_op(op_non_max_suppression(), NonMaxSuppressionAttributes{}, inputs, 1, known)[0]
        .type.to_string();
  };
  EXPECT_EQ(type({"f32[B,N,4]", "f32[B,C,N]", "i64[1]"}), "i64[#test.0,3]");
  EXPECT_EQ(type({"f32[*]", "f32[*]", "i64[*]"}), "i64[#test.0,3]");
  EXPECT_EQ(type({"f32[B,N,4]", "f32[B,C,N]", "i64[1]"}, {{}, {}, {Dim(0)}}), "i64[0,3]");
  EXPECT_EQ(type({"f32[B,N,4]", "f32[B,C,N]"}), "i64[0,3]");
}

}  // namespace
}  // namespace strop

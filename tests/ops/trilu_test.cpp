// SPDX-License-Identifier: Apache-2.0
// Matrices and their diagonals: trilu, eye.
#include "ops/trilu.hpp"

#include <gtest/gtest.h>

#include "ops/eye.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

Tensor triangle(bool upper, const Tensor& x, std::int64_t diagonal) {
  return run_op(op_trilu(), TriluAttributes{.upper = upper},
                {x, Tensor::scalar<std::int64_t>(diagonal)});
}

TEST(Trilu, keeps_one_side_of_a_diagonal) {
  const Tensor x = ramp({2, 3}, 1);
  expect_near(triangle(true, x, 0), {2, 3}, {1, 2, 3, 0, 5, 6});
  expect_near(triangle(true, x, 1), {2, 3}, {0, 2, 3, 0, 0, 6});
  expect_near(triangle(true, x, -1), {2, 3}, {1, 2, 3, 4, 5, 6});
  expect_near(triangle(false, x, 0), {2, 3}, {1, 0, 0, 4, 5, 0});
  expect_near(triangle(false, x, 1), {2, 3}, {1, 2, 0, 4, 5, 6});
  expect_near(triangle(false, x, -1), {2, 3}, {0, 0, 0, 4, 0, 0});
  expect_near(run_op(op_trilu(), TriluAttributes{}, {x}), {2, 3}, {1, 2, 3, 0, 5, 6});
}

TEST(Trilu, takes_any_diagonal) {
  const Tensor x = ramp({1, 2}, 1);
  expect_near(triangle(true, x, kHighest), {1, 2}, {0, 0});
  expect_near(triangle(true, x, kLowest), {1, 2}, {1, 2});
  expect_near(triangle(false, x, kHighest), {1, 2}, {1, 2});
  expect_near(triangle(false, x, kLowest), {1, 2}, {0, 0});
}

TEST(Trilu, takes_batches_strings_and_nothing) {
  expect_near(triangle(true, ramp({2, 2, 2}, 1), 0), {2, 2, 2}, {1, 2, 0, 4, 5, 6, 0, 8});
  EXPECT_EQ(values_of<std::string>(
                triangle(false, Tensor::from_strings({2, 2}, {"a", "b", "c", "d"}), 0)),
            (std::vector<std::string>{"a", "", "c", "d"}));
  EXPECT_EQ(triangle(true, Tensor::zeros(DType::f32, {3, 0}), 0).shape(), (Shape{3, 0}));
  EXPECT_EQ(values_of<bool>(triangle(true, Tensor::from<bool>({2, 1}, {true, true}), 0)),
            (std::vector<bool>{true, false}));
}

TEST(Trilu, refuses_vectors_and_more_than_one_diagonal) {
  EXPECT_EQ(error_of(op_trilu(), TriluAttributes{}, {ramp({3})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_trilu(), TriluAttributes{},
                     {ramp({2, 2}), Tensor::from<std::int64_t>({2}, {0, 0})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_trilu(), TriluAttributes{}, {ramp({2, 2}), ramp({})}), ErrorCode::bad_type);
}

Tensor eye(const EyeAttributes& attributes, const std::vector<std::int64_t>& shape) {
  return run_op(op_eye(), attributes,
                {Tensor::from<std::int64_t>({static_cast<std::int64_t>(shape.size())}, shape)});
}

TEST(Eye, has_ones_on_one_diagonal) {
  expect_near(eye({}, {2, 3}), {2, 3}, {1, 0, 0, 0, 1, 0});
  expect_near(eye({.diagonal = 1}, {2, 3}), {2, 3}, {0, 1, 0, 0, 0, 1});
  expect_near(eye({.diagonal = -1}, {3, 2}), {3, 2}, {0, 0, 1, 0, 0, 1});
  expect_near(eye({.diagonal = kHighest}, {1, 2}), {1, 2}, {0, 0});
  expect_near(eye({.diagonal = kLowest}, {1, 2}), {1, 2}, {0, 0});
  expect_near(eye({.dtype = DType::bf16}, {1, 1}), {1, 1}, {1});
  EXPECT_EQ(values_of<bool>(eye({.dtype = DType::boolean}, {2, 1})),
            (std::vector<bool>{true, false}));
  EXPECT_EQ(eye({}, {0, 2}).shape(), (Shape{0, 2}));
}

TEST(Eye, refuses_what_is_no_matrix) {
  const auto error = [](const EyeAttributes& attributes, const std::vector<std::int64_t>& shape) {
    return error_of(op_eye(), attributes,
                    {Tensor::from<std::int64_t>({static_cast<std::int64_t>(shape.size())}, shape)});
  };
  EXPECT_EQ(error({}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(error({}, {2, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(error({}, {2, -1}), ErrorCode::bad_shape);
  EXPECT_EQ(error({.dtype = DType::string}, {2, 2}), ErrorCode::bad_type);
  EXPECT_EQ(infer_op(op_eye(), EyeAttributes{}, {"i64[2]"})[0].type.to_string(),
            "f32[#test.0,#test.1]");
}

}  // namespace
}  // namespace strop

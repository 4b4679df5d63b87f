// SPDX-License-Identifier: Apache-2.0
#include "ops/row_sums.hpp"

#include "ops/layer_norm.hpp"
#include "ops/normalize_by_sums.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using namespace testing;

TEST(RowSums, are_of_blocks_and_of_what_is_left) {
  const Tensor x = floats({2, 5}, {1, 2, 3, 4, 5, -1, 0, 1, 2, 10});
  expect_near(run_op(op_row_sums(), RowSumsAttributes{.block = 2}, {x}), {2, 3, 2},
              {3, 5, 7, 25, 5, 25, -1, 1, 3, 5, 10, 100});
  EXPECT_EQ(run_op(op_row_sums(), RowSumsAttributes{.block = 64}, {floats({0, 5}, {})}).shape(),
            (Shape{0, 1, 2}));
}

TEST(RowSums, refuse_blocks_of_nothing) {
  EXPECT_ANY_THROW(run_op(op_row_sums(), RowSumsAttributes{.block = 0}, {floats({1}, {1})}));
}

Tensor uneven(const Shape& shape, int step) {
  Tensor out = Tensor::allocate(DType::f32, shape);
  for (std::int64_t i = 0; i < out.size(); ++i)
    out.mutable_values<float>()[static_cast<std::size_t>(i)] =
        static_cast<float>(i * step % 101) / 50 - 0.9f;
  return out;
}

TEST(NormalizeBySums, is_layer_norm) {
  const Tensor x = uneven({3, 4, 70}, 37);
  const Tensor scale = uneven({70}, 11), bias = uneven({70}, 29);
  const Tensor sums = run_op(op_row_sums(), RowSumsAttributes{.block = 16}, {x});
  const Tensor wanted =
      run_op(op_layer_norm(), LayerNormAttributes{.axis = -1, .epsilon = 1e-3}, {x, scale, bias});
  const Tensor y = run_op(op_normalize_by_sums(), NormalizeBySumsAttributes{.epsilon = 1e-3},
                          {x, sums, scale, bias});
  for (std::size_t i = 0; i < static_cast<std::size_t>(y.size()); ++i)
    EXPECT_NEAR(y.values<float>()[i], wanted.values<float>()[i], 1e-5);
}

TEST(NormalizeBySums, takes_a_row_without_deviation) {
  const Tensor x = floats({1, 2}, {3, 3});
  expect_near(run_op(op_normalize_by_sums(), NormalizeBySumsAttributes{.epsilon = 0.25},
                     {x, floats({1, 1, 2}, {6, 17.9f})}),
              {1, 2}, {0, 0});
}

}  // namespace
}  // namespace strop

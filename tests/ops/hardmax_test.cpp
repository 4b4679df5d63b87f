// SPDX-License-Identifier: Apache-2.0
#include "ops/hardmax.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

Tensor run(const HardmaxAttributes& attributes, const Tensor& x) {
  const Datum input(x);
  const Datum* inputs[] = {&input};
  std::vector<Datum> outputs;
  evaluate_op(op_hardmax(), attributes, inputs, {}, 1, outputs);
  return outputs[0].tensor();
}

TEST(Hardmax, marks_the_first_largest_along_its_axis) {
  const Tensor x = Tensor::from<float>({2, 3}, {1, 3, 3, -1, -2, -3});
  EXPECT_TRUE(run({.axis = 1}, x).identical(Tensor::from<float>({2, 3}, {0, 1, 0, 1, 0, 0})));
  EXPECT_TRUE(run({.axis = 0}, x).identical(Tensor::from<float>({2, 3}, {1, 1, 1, 0, 0, 0})));
}

TEST(Hardmax, takes_no_nan_for_the_largest) {
  const Tensor x = Tensor::from<float>({3}, {NAN, -5, NAN});
  EXPECT_TRUE(run({.axis = 0}, x).identical(Tensor::from<float>({3}, {0, 1, 0})));
}

TEST(Hardmax, gives_nothing_for_an_empty_axis) {
  EXPECT_EQ(run({.axis = 0}, Tensor::zeros(DType::f32, {0, 2})).size(), 0);
}

TEST(Hardmax, refuses_integers_and_an_axis_beyond_the_rank) {
  EXPECT_THROW(run({.axis = 0}, Tensor::from<std::int64_t>({1}, {1})), Error);
  EXPECT_THROW(run({.axis = 1}, Tensor::from<float>({1}, {1})), Error);
}

}  // namespace
}  // namespace strop

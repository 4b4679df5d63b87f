// SPDX-License-Identifier: Apache-2.0
#include "ops/softmax.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "ir/evaluate.hpp"

namespace strop {
namespace {

Tensor run(const SoftmaxAttributes& attributes, const Tensor& x) {
  const Datum input(x);
  const Datum* inputs[] = {&input};
  std::vector<Datum> outputs;
  evaluate_op(op_softmax(), attributes, inputs, {}, 1, outputs);
  return outputs[0].tensor();
}

TEST(Softmax, sums_to_one_along_its_axis) {
  const Tensor y = run({.axis = 0}, Tensor::from<float>({2, 2}, {0, 1000, std::log(3.0f), 1000}));
  EXPECT_NEAR(y.values<float>()[0], 0.25, 1e-6);
  EXPECT_NEAR(y.values<float>()[2], 0.75, 1e-6);
  EXPECT_EQ(y.values<float>()[1], 0.5f);  // no overflow at exp(1000)
}

// One after the other in FP32, this sum would lose four digits.
TEST(Softmax, is_exact_over_many_classes) {
  Tensor x = Tensor::allocate(DType::f32, {1 << 20});
  auto values = x.mutable_values<float>();
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i % 7) * 0.1f;
    sum += std::exp(static_cast<double>(values[i]) - static_cast<double>(0.6f));
  }
  const Tensor y = run({.axis = 0}, x);
  EXPECT_NEAR(y.values<float>()[6] * sum, 1, 1e-6);
}

TEST(Softmax, refuses_an_axis_beyond_the_rank) {
  EXPECT_THROW(run({.axis = 2}, Tensor::from<float>({1, 1}, {0})), Error);
}

}  // namespace
}  // namespace strop

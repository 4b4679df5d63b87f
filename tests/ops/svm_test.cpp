// SPDX-License-Identifier: Apache-2.0
#include "ops/pairwise_probabilities.hpp"
#include "ops/run_op.hpp"
#include "ops/svm_kernel.hpp"
#include "ops/svm_vote.hpp"

namespace strop {
namespace {

TEST(SvmKernel, measures_likeness_in_every_way) {
  const Tensor x = floats({1, 2}, {1, 2});
  const Tensor v = floats({2, 2}, {3, -1, 1, 2});
  const auto run = [&](SvmKernel kernel) {
    const SvmKernelAttributes attributes{.kernel = kernel, .gamma = 0.5, .coef0 = 1, .degree = 3};
    return run_op(op_svm_kernel(), attributes, {x, v});
  };
  expect_near(run(SvmKernel::linear), {1, 2}, {1, 5});
  expect_near(run(SvmKernel::poly), {1, 2}, {3.375, 42.875});
  expect_near(run(SvmKernel::rbf), {1, 2}, {std::exp(-6.5), 1});
  expect_near(run(SvmKernel::sigmoid), {1, 2}, {std::tanh(1.5), std::tanh(3.5)});
  EXPECT_EQ(error_of(op_svm_kernel(), SvmKernelAttributes{}, {x, floats({1, 3}, {1, 2, 3})}),
            ErrorCode::bad_shape);
}

TEST(SvmVote, tells_each_pair_of_classes_apart) {
  // Classes 0, 1, 2 have one, two and one support vectors.
  const SvmVoteAttributes attributes{{1, 2, 1}};
  const Tensor kernels = floats({1, 4}, {1, 2, 3, 4});
  const Tensor coefficients = floats({2, 4}, {1, -1, 1, -2,  //
                                              10, 1, 1, -1});
  const Tensor rho = floats({3}, {-0.5f, 0, 20});
  const auto y = run_op_many(op_svm_vote(), attributes, {kernels, coefficients, rho}, 2);
  // 0-1: 1*1 + (-1*2 + 1*3) - 0.5; 0-2: 10*1 + -2*4; 1-2: (1*2 + 1*3) + -1*4 + 20
  expect_near(y[0], {1, 3}, {1.5, 2, 21});
  EXPECT_EQ(values_of<std::int64_t>(y[1]), (std::vector<std::int64_t>{0}));
}

TEST(SvmVote, refuses_lists_that_do_not_fit) {
  const Tensor kernels = floats({1, 2}, {1, 2}), coefficients = floats({1, 2}, {1, 1});
  const Tensor rho = floats({1}, {0});
  const auto refused = [&](std::vector<std::int64_t> sizes, const Tensor& c, const Tensor& r,
                           ErrorCode code) {
    EXPECT_EQ(error_of(op_svm_vote(), SvmVoteAttributes{std::move(sizes)}, {kernels, c, r}, 2),
              code);
  };
  refused({1, 1}, coefficients, rho, ErrorCode::ok);
  refused({1, 2}, coefficients, rho, ErrorCode::bad_shape);
  refused({2}, coefficients, rho, ErrorCode::bad_attribute);
  refused({3, -1}, coefficients, rho, ErrorCode::bad_attribute);
  refused({INT64_MAX, INT64_MAX}, coefficients, rho, ErrorCode::bad_attribute);
  refused({1, 1}, floats({2, 1}, {1, 1}), rho, ErrorCode::bad_shape);
  refused({1, 1}, coefficients, floats({2}, {0, 0}), ErrorCode::bad_shape);
}

TEST(PairwiseProbabilities, of_two_classes_is_a_sigmoid) {
  const Tensor y = run_op(op_pairwise_probabilities(), PairwiseProbabilitiesAttributes{2},
                          {floats({2, 1}, {1, -3}), floats({1}, {-2}), floats({1}, {0.5f})});
  const double first = 1 / (1 + std::exp(-1.5)), second = 1 / (1 + std::exp(6.5));
  // The coupling stops when it is near enough.
  expect_near(y, {2, 2}, {first, 1 - first, second, 1 - second}, 5e-3);
}

TEST(PairwiseProbabilities, add_up_to_one) {
  const Tensor y =
      run_op(op_pairwise_probabilities(), PairwiseProbabilitiesAttributes{3},
             {floats({1, 3}, {2, 1, -1}), floats({3}, {-1, -1, -1}), floats({3}, {0, 0, 0})});
  const auto p = doubles_of(y);
  EXPECT_NEAR(p[0] + p[1] + p[2], 1, 1e-6);
  EXPECT_GT(p[0], p[2]);
  EXPECT_GT(p[2], p[1]);
  EXPECT_EQ(error_of(op_pairwise_probabilities(), PairwiseProbabilitiesAttributes{1 << 20},
                     {floats({1, 3}, {2, 1, -1}), floats({3}, {1, 1, 1}), floats({3}, {0, 0, 0})}),
            ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop

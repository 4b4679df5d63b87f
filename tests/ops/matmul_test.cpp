// SPDX-License-Identifier: Apache-2.0
#include "ops/matmul.hpp"

#include "ops/gemm.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor run(const Tensor& a, const Tensor& b) { return run_op(op_matmul(), {}, {a, b}); }
ErrorCode refused(const Shape& a, const Shape& b) {
  return error_of(op_matmul(), {}, {ramp(a), ramp(b)});
}

TEST(Matmul, multiplies_matrices_and_vectors) {
  const Tensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6}), b = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  expect_near(run(a, b), {2, 2}, {22, 28, 49, 64});
  const Tensor v = floats({3}, {1, 0, -1});
  expect_near(run(a, v), {2}, {-2, -2});
  expect_near(run(v, b), {2}, {-4, -4});
  expect_near(run(v, v), {}, {2});
}

TEST(Matmul, broadcasts_leading_axes) {
  const Tensor a = ramp({2, 1, 1, 2}), b = ramp({3, 2, 1});
  expect_near(run(a, b), {2, 3, 1, 1}, {1, 3, 5, 3, 13, 23});
  expect_near(run(ramp({2, 2, 2}), floats({1, 2, 1}, {1, 10})), {2, 2, 1}, {10, 32, 54, 76});
  expect_near(run(floats({2}, {1, 1}), ramp({2, 2, 1})), {2, 1}, {1, 5});
}

TEST(Matmul, equals_its_definition_over_tiles) {
  const Tensor a = ramp({70, 7}, -2, 0.01f), b = ramp({7, 600}, 3, -0.001f);
  const Tensor y = run(a, b);
  for (std::int64_t i = 0; i < 70; ++i)
    for (std::int64_t j = 0; j < 600; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < 7; ++k)
        sum += static_cast<double>(a.values<float>()[static_cast<std::size_t>(i * 7 + k)]) *
               static_cast<double>(b.values<float>()[static_cast<std::size_t>(k * 600 + j)]);
      ASSERT_NEAR(y.values<float>()[static_cast<std::size_t>(i * 600 + j)], sum, 1e-4);
    }
}

TEST(Matmul, takes_integers_and_empty_matrices) {
  const Tensor a = Tensor::from<std::int32_t>({1, 2}, {2000000000, 2000000000});
  const Tensor b = Tensor::from<std::int32_t>({2, 1}, {1, 1});
  EXPECT_EQ(run(a, b).values<std::int32_t>()[0], static_cast<std::int32_t>(4000000000u));
  expect_near(run(ramp({2, 0}), ramp({0, 2})), {2, 2}, {0, 0, 0, 0});
  EXPECT_EQ(run(ramp({0, 3}), ramp({3, 2})).shape(), (Shape{0, 2}));
  EXPECT_EQ(run(ramp({0, 2, 3}), ramp({1, 3, 2})).shape(), (Shape{0, 2, 2}));
  EXPECT_EQ(run(ramp({1, 2, 3}), ramp({0, 3, 2})).shape(), (Shape{0, 2, 2}));
}

TEST(Matmul, infers_symbolic_sizes) {
  const auto out = infer_op(op_matmul(), {}, {"f32[N,T,64]", "f32[64,S]"});
  EXPECT_EQ(out[0].type.to_string(), "f32[N,T,S]");
}

TEST(Matmul, refuses_shapes_that_contradict) {
  EXPECT_EQ(refused({2, 3}, {2, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({2, 2, 2}, {3, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_matmul(), {}, {ramp({1, 1}), Tensor::zeros(DType::i32, {1, 1})}),
            ErrorCode::bad_type);
}

TEST(Gemm, scales_transposes_and_adds) {
  const Tensor a = floats({2, 2}, {1, 2, 3, 4}), b = floats({2, 2}, {5, 6, 7, 8});
  const auto run_gemm = [](const GemmAttributes& attributes, const std::vector<Tensor>& inputs) {
    return run_op(op_gemm(), attributes, inputs);
  };
  expect_near(run_gemm({}, {a, b}), {2, 2}, {19, 22, 43, 50});
  expect_near(run_gemm({.trans_a = true}, {a, b}), {2, 2}, {26, 30, 38, 44});
  expect_near(run_gemm({.trans_b = true}, {a, b}), {2, 2}, {17, 23, 39, 53});
  expect_near(run_gemm({.trans_a = true, .trans_b = true}, {a, b}), {2, 2}, {23, 31, 34, 46});
  expect_near(run_gemm({.alpha = 0.5, .beta = 2}, {a, b, floats({2}, {1, 2})}), {2, 2},
              {11.5, 15, 23.5, 29});
  expect_near(run_gemm({}, {a, b, floats({2, 1}, {1, 2})}), {2, 2}, {20, 23, 45, 52});
  expect_near(run_gemm({}, {a, b, floats({1, 2}, {1, 2})}), {2, 2}, {20, 24, 44, 52});
  expect_near(run_gemm({}, {a, b, floats({}, {1})}), {2, 2}, {20, 23, 44, 51});
  expect_near(run_gemm({.trans_a = true}, {ramp({2, 1}), ramp({2, 3})}), {1, 3}, {3, 4, 5});
}

TEST(Gemm, transposes_beyond_one_block) {
  const Tensor a = ramp({70, 3}), b = ramp({45, 70});
  const Tensor y = run_op(op_gemm(), GemmAttributes{.trans_a = true, .trans_b = true}, {a, b});
  ASSERT_EQ(y.shape(), (Shape{3, 45}));
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 45; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < 70; ++k) sum += static_cast<double>((k * 3 + i) * (j * 70 + k));
      ASSERT_NEAR(y.values<float>()[static_cast<std::size_t>(i * 45 + j)], sum, 1e-6 * sum + 1e-3);
    }
  }
}

TEST(Gemm, refuses_shapes_that_contradict) {
  const auto refused_gemm = [](const Shape& a, const Shape& b, const Shape& c) {
    return error_of(op_gemm(), GemmAttributes{}, {ramp(a), ramp(b), ramp(c)});
  };
  EXPECT_EQ(refused_gemm({2, 3}, {3, 2}, {2}), ErrorCode::ok);
  EXPECT_EQ(refused_gemm({2, 3}, {2, 3}, {2}), ErrorCode::bad_shape);
  EXPECT_EQ(refused_gemm({2, 3}, {3, 2}, {3}), ErrorCode::bad_shape);
  EXPECT_EQ(refused_gemm({1, 3}, {3, 2}, {2, 2}), ErrorCode::bad_shape);  // would enlarge y
  EXPECT_EQ(refused_gemm({2, 3}, {3, 2}, {1, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(refused_gemm({2}, {2, 2}, {2}), ErrorCode::bad_shape);
}

}  // namespace
}  // namespace strop

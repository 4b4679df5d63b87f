// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce.hpp"

#include "ops/arg_reduce.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using R = ReduceFunction;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor axes(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}
Tensor run(const ReduceAttributes& attributes, const Tensor& x,
           const std::vector<std::int64_t>& a) {
  return run_op(op_reduce(), attributes, {x, axes(a)});
}

TEST(Reduce, computes_each_function) {
  const Tensor x = floats({2, 3}, {1, -2, 3, 4, 5, -6});
  const auto each = [&](R f) { return run({.function = f, .keep_dims = false}, x, {1}); };
  expect_near(each(R::sum), {2}, {2, 3});
  expect_near(each(R::mean), {2}, {2.0 / 3, 1});
  expect_near(each(R::max), {2}, {3, 5});
  expect_near(each(R::min), {2}, {-2, -6});
  expect_near(each(R::prod), {2}, {-6, -120});
  expect_near(each(R::l1), {2}, {6, 15});
  expect_near(each(R::l2), {2}, {3.7416573867739413, 8.774964387392123});
  expect_near(each(R::log_sum), {2}, {0.6931471805599453, 1.0986122886681098});
  expect_near(each(R::log_sum_exp), {2}, {3.1328452337, 5.3132738974});
  expect_near(each(R::sum_square), {2}, {14, 77});
}

TEST(Reduce, takes_any_axes) {
  const Tensor x = ramp({2, 3, 4});
  expect_near(run({}, x, {0, 2}), {1, 3, 1}, {60, 92, 124});
  expect_near(run({.keep_dims = false}, x, {-2}), {2, 4}, {12, 15, 18, 21, 48, 51, 54, 57});
  expect_near(run({.keep_dims = false}, x, {2, 1, 0}), {}, {276});
  expect_near(run_op(op_reduce(), ReduceAttributes{}, {x}), {1, 1, 1}, {276});
  expect_near(run({}, x, {}), {1, 1, 1}, {276});
  EXPECT_TRUE(run({.noop_with_empty_axes = true}, x, {}).identical(x));
  expect_near(run({}, floats({}, {3}), {}), {}, {3});
}

TEST(Reduce, has_values_for_no_elements) {
  const Tensor x = ramp({2, 0});
  const auto each = [&](R f) { return run({.function = f, .keep_dims = false}, x, {1}); };
  expect_near(each(R::sum), {2}, {0, 0});
  expect_near(each(R::prod), {2}, {1, 1});
  expect_near(each(R::max), {2}, {-kInf, -kInf});
  expect_near(each(R::min), {2}, {kInf, kInf});
  expect_near(each(R::mean), {2}, {kNan, kNan});
  expect_near(each(R::log_sum_exp), {2}, {-kInf, -kInf});
  const Tensor none = Tensor::zeros(DType::i8, {0});
  EXPECT_EQ(run({.function = R::max}, none, {0}).values<std::int8_t>()[0], -128);
  EXPECT_EQ(run({.function = R::min}, none, {0}).values<std::int8_t>()[0], 127);
  EXPECT_EQ(run({}, ramp({0, 3}), {1}).shape(), (Shape{0, 1}));
}

TEST(Reduce, passes_nan_and_infinity) {
  const Tensor x = floats({3}, {1, kNan, 5});
  expect_near(run({.function = R::max}, x, {0}), {1}, {kNan});
  expect_near(run({.function = R::min}, x, {0}), {1}, {kNan});
  expect_near(run({.function = R::log_sum_exp}, floats({2}, {kInf, 1}), {0}), {1}, {kInf});
  expect_near(run({.function = R::log_sum_exp}, floats({2}, {1000, 1000}), {0}), {1},
              {1000.6931472});
}

TEST(Reduce, wraps_integers_and_sums_narrow_floats_in_float) {
  const Tensor x = Tensor::from<std::int32_t>({2}, {2000000000, 2000000000});
  EXPECT_EQ(run({}, x, {0}).values<std::int32_t>()[0], static_cast<std::int32_t>(4000000000u));
  const Tensor ints = Tensor::from<std::int32_t>({3}, {-7, 0, 0});
  EXPECT_EQ(run({.function = R::mean}, ints, {0}).values<std::int32_t>()[0], -2);
  const Tensor ones = Tensor::from<float16>({4096}, std::vector<float16>(4096, float16(1.0f)));
  EXPECT_EQ(doubles_of(run({}, ones, {0}))[0], 4096);
  EXPECT_TRUE(
      run({.function = R::max}, Tensor::from<bool>({2}, {false, true}), {0}).values<bool>()[0]);
}

TEST(Reduce, keeps_symbolic_products) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_reduce(), ReduceAttributes{.function = R::prod, .keep_dims = false},
                            {"i64[2]"}, 1, {{n, Dim(3)}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ((*out[0].elements)[0], n * Dim(3));
}

TEST(Reduce, refuses_axes_and_types_it_does_not_have) {
  const auto refused = [](R f, const Tensor& x, const Tensor& a) {
    return error_of(op_reduce(), ReduceAttributes{.function = f}, {x, a});
  };
  EXPECT_EQ(refused(R::sum, ramp({2}), axes({1})), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(R::sum, ramp({2}), axes({-2})), ErrorCode::bad_attribute);
  EXPECT_EQ(refused(R::sum, ramp({2}), axes({std::numeric_limits<std::int64_t>::min()})),
            ErrorCode::bad_attribute);
  EXPECT_EQ(refused(R::sum, ramp({2}), Tensor::from<std::int64_t>({}, {0})), ErrorCode::bad_shape);
  EXPECT_EQ(refused(R::sum, Tensor::zeros(DType::boolean, {2}), axes({0})), ErrorCode::bad_type);
}

// One after the other in FP32, these sums would lose four digits and more.
TEST(Reduce, sums_of_many_floats_keep_their_digits) {
  Tensor x = Tensor::allocate(DType::f32, {1 << 20});
  std::ranges::fill(x.mutable_values<float>(), 0.1f);
  const auto of = [&](ReduceFunction function) {
    return values_of<float>(run_op(op_reduce(), ReduceAttributes{.function = function}, {x}))[0];
  };
  const double tenth = static_cast<double>(0.1f), count = 1 << 20;
  EXPECT_EQ(of(ReduceFunction::mean), 0.1f);
  EXPECT_EQ(of(ReduceFunction::sum), static_cast<float>(tenth * count));
  EXPECT_EQ(of(ReduceFunction::l2), static_cast<float>(tenth * 1024));
  EXPECT_NEAR(of(ReduceFunction::log_sum_exp), tenth + std::log(count), 1e-6);
}

TEST(ArgReduce, finds_the_extreme_element) {
  const Tensor x = floats({2, 3}, {3, 1, 3, 0, 5, 5});
  const auto find = [&](const ArgReduceAttributes& a) {
    return values_of<std::int64_t>(run_op(op_arg_reduce(), a, {x}));
  };
  EXPECT_EQ(find({.axis = 1}), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(find({.axis = 1, .select_last = true}), (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(find({.largest = false, .axis = -1}), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(find({.axis = 0}), (std::vector<std::int64_t>{0, 1, 1}));
  EXPECT_EQ(
      run_op(op_arg_reduce(), ArgReduceAttributes{.axis = 1, .keep_dims = false}, {x}).shape(),
      (Shape{2}));
  EXPECT_EQ(values_of<std::int64_t>(
                run_op(op_arg_reduce(), ArgReduceAttributes{}, {floats({3}, {1, kNan, 9})}))[0],
            1);
}

TEST(ArgReduce, refuses_axes_without_elements) {
  EXPECT_EQ(error_of(op_arg_reduce(), ArgReduceAttributes{.axis = 1}, {ramp({2, 0})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_arg_reduce(), ArgReduceAttributes{.axis = 2}, {ramp({2, 1})}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_arg_reduce(), ArgReduceAttributes{}, {ramp({})}), ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop

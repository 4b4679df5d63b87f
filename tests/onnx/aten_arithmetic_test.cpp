// SPDX-License-Identifier: Apache-2.0
// Arithmetic of PyTorch on two operands, and the element types of its results.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = floats({2}, {7, -7});
const Tensor kY = floats({2}, {2, 2});
const Tensor kI = list({7, -7});

TEST(AtenArithmetic, sums_with_a_factor) {
  expect_near(run_aten({"add.Tensor", {kX, kY, whole(1)}}, {0, 1}), {2}, {9, -5});
  expect_near(run_aten({"add", {kX, kY, whole(3)}}), {2}, {13, -1});
  expect_near(run_aten({"add_", {kX, kY}, {wire::int_attribute("alpha", 2)}}), {2}, {11, -3});
  expect_near(run_aten({"sub.Tensor", {kX, kY, real(0.5f)}}), {2}, {6, -8});
  expect_near(run_aten({"rsub.Scalar", {kX, whole(1), whole(2)}}), {2}, {-13, 15});
  expect_near(run_aten({"mul.Tensor", {kX, kY}}), {2}, {14, -14});
  EXPECT_EQ(aten_refusal({"add.Tensor", {kI, kI, real(0.5f)}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"add.Tensor", {kX, kY, real(0.5f)}}, {2}),
            ErrorCode::unsupported_operator);
  EXPECT_EQ(aten_refusal({"add.out", {kX, kY, whole(1), kX}}), ErrorCode::unsupported_operator);
}

TEST(AtenArithmetic, has_the_types_of_pytorch) {
  const auto type = [](const Tensor& x, const Tensor& y) {
    return run_aten({"mul.Tensor", {x, y}}).dtype();
  };
  const Tensor f16 = Tensor::zeros(DType::f16, {2}), f64 = Tensor::zeros(DType::f64, {2});
  const Tensor i32 = Tensor::zeros(DType::i32, {2});
  EXPECT_EQ(type(kX, kI), DType::f32);
  EXPECT_EQ(type(f16, f64), DType::f64);
  EXPECT_EQ(type(i32, kI), DType::i64);
  EXPECT_EQ(type(Tensor::zeros(DType::u8, {2}), Tensor::zeros(DType::i8, {2})), DType::i16);
  // A number counts by its kind alone.
  EXPECT_EQ(type(i32, whole(2)), DType::i32);
  EXPECT_EQ(type(f16, Tensor::scalar(2.0)), DType::f16);
  EXPECT_EQ(type(i32, Tensor::scalar(2.0)), DType::f32);
}

TEST(AtenArithmetic, divides) {
  expect_near(run_aten({"div.Tensor", {kX, kY}}), {2}, {3.5, -3.5});
  expect_near(run_aten({"div", {kI, whole(2)}}), {2}, {3.5, -3.5});
  expect_near(run_aten({"div.Tensor_mode", {kX, kY, text("floor")}}), {2}, {3, -4});
  expect_near(run_aten({"div.Tensor_mode", {kX, kY, text("trunc")}}), {2}, {3, -3});
  expect_near(run_aten({"div.Tensor_mode", {kX, kY, none()}}), {2}, {3.5, -3.5});
  expect_integers(run_aten({"floor_divide", {kI, whole(2)}}, {0}), {2}, {3, -4});
  expect_integers(run_aten({"div.Scalar_mode", {kI, whole(2), text("trunc")}}), {2}, {3, -3});
  EXPECT_EQ(aten_refusal({"div.Tensor_mode", {kX, kY, text("up")}}), ErrorCode::model_malformed);
}

TEST(AtenArithmetic, has_remainders_of_both_signs) {
  expect_near(run_aten({"remainder.Tensor", {kX, kY}}), {2}, {1, 1});
  expect_near(run_aten({"remainder.Scalar", {kX, real(-2)}}), {2}, {-1, -1});
  expect_near(run_aten({"fmod.Tensor", {kX, kY}}), {2}, {1, -1});
  expect_integers(run_aten({"remainder.Scalar", {kI, whole(2)}}), {2}, {1, 1});
}

TEST(AtenArithmetic, powers_and_limits) {
  expect_near(run_aten({"pow.Tensor_Scalar", {kX, whole(2)}}), {2}, {49, 49});
  expect_near(run_aten({"pow.Scalar", {whole(2), kY}}), {2}, {4, 4});
  expect_near(run_aten({"clamp", {kX, whole(-1), none()}}), {2}, {7, -1});
  expect_near(run_aten({"clamp", {kX, none(), real(0.5f)}}, {0}), {2}, {0.5, -7});
  expect_near(run_aten({"clamp.Tensor", {kX, kY, none()}}), {2}, {7, 2});
  expect_near(run_aten({"clamp_min", {kX, whole(0)}}), {2}, {7, 0});
  expect_near(run_aten({"clamp_max", {kX, whole(0)}}), {2}, {0, -7});
  expect_near(run_aten({"maximum", {kX, kY}}), {2}, {7, 2});
  expect_near(run_aten({"threshold", {kX, whole(0), real(-1)}}), {2}, {7, -1});
  EXPECT_EQ(aten_refusal({"clamp", {kX, none(), none()}}), ErrorCode::model_malformed);
}

TEST(AtenArithmetic, compares_and_chooses) {
  expect_near(run_aten({"gt.Scalar", {kX, whole(0)}}), {2}, {1, 0});
  expect_near(run_aten({"ne.Tensor", {kX, kX}}), {2}, {0, 0});
  expect_near(run_aten({"where.self", {Tensor::from<bool>({2}, {true, false}), kX, kY}}, {0, 1}),
              {2}, {7, 2});
  expect_near(run_aten({"logical_and", {kX, floats({2}, {0, 1})}}), {2}, {0, 1});
  expect_integers(run_aten({"bitwise_and.Scalar", {kI, whole(3)}}), {2}, {3, 1});
}

TEST(AtenArithmetic, fuses) {
  expect_near(run_aten({"addcmul", {kX, kY, kY, real(0.5f)}}), {2}, {9, -5});
  expect_near(run_aten({"addcdiv", {kX, kX, kY, whole(2)}}), {2}, {14, -14});
  expect_near(run_aten({"lerp.Scalar", {kX, kY, real(0.5f)}}), {2}, {4.5, -2.5});
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Reductions, norms and orders, as PyTorch has them.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = floats({2, 2}, {1, -2, 3, 4});

TEST(AtenReduce, sums_and_means) {
  expect_near(run_aten({"sum", {kX, none()}}, {0}), {}, {6});
  expect_near(run_aten({"sum.dim_IntList", {kX, list({1}), yes(true), none()}}), {2, 1}, {-1, 7});
  expect_near(run_aten({"mean.dim", {kX, list({0}), yes(false), none()}}, {0}), {2}, {2, 1});
  expect_integers(run_aten({"sum", {Tensor::from<std::int32_t>({2}, {1, 2}), none()}}), {}, {3});
  expect_near(run_aten({"prod.dim_int", {kX, whole(1), yes(false), none()}}), {2}, {-2, 12});
  EXPECT_EQ(run_aten({"sum", {kX, whole(7)}}).dtype(), DType::f64);
  EXPECT_EQ(aten_refusal({"sum", {kX, whole(99)}}), ErrorCode::unsupported_operator);
  EXPECT_EQ(aten_refusal({"sum.dim_IntList", {kX, list({2}), yes(true), none()}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(aten_refusal({"mean", {list({1, 2}), none()}}), ErrorCode::model_malformed);
}

TEST(AtenReduce, extremes) {
  expect_near(run_aten({"max", {kX}}), {}, {4});
  expect_near(run_aten({"max.other", {kX, real(2)}}), {2, 2}, {2, 2, 3, 4});
  const auto out = run_aten_many({"min.dim", {kX, whole(1), yes(false)}, {}, 2}, {0});
  expect_near(out[0], {2}, {-2, 3});
  expect_integers(out[1], {2}, {1, 0});
  // The older form.
  const auto old = run_aten_many(
      {"max", {kX}, {wire::int_attribute("dim", 0), wire::int_attribute("keepdim", 1)}, 2});
  expect_near(old[0], {1, 2}, {3, 4});
  expect_integers(old[1], {1, 2}, {1, 1});
  expect_near(run_aten({"amax", {kX, list({}), yes(false)}}), {}, {4});
  expect_integers(run_aten({"argmax", {kX, none(), yes(false)}}), {}, {3});
  expect_integers(run_aten({"argmin", {kX, whole(0), yes(false)}}), {2}, {0, 0});
  expect_near(run_aten({"any.dim", {floats({2, 2}, {0, 0, 0, 5}), whole(1), yes(false)}}), {2},
              {0, 1});
}

TEST(AtenReduce, norms) {
  const Tensor x = floats({2, 2}, {3, -4, 0, 2});
  expect_near(run_aten({"norm.Scalar", {x, whole(2)}}), {}, {std::sqrt(29.0)});
  expect_near(run_aten({"norm.ScalarOpt_dim", {x, whole(2), list({1}), yes(true)}}, {0}), {2, 1},
              {5, 2});
  expect_near(run_aten({"norm.ScalarOpt_dim", {x, whole(1), list({1}), yes(false)}}), {2}, {7, 2});
  expect_near(run_aten({"norm.ScalarOpt_dim", {x, whole(0), list({1}), yes(false)}}), {2}, {2, 1});
  expect_near(run_aten({"norm.ScalarOpt_dim", {x, real(INFINITY), list({1}), yes(false)}}), {2},
              {4, 2});
  expect_near(run_aten({"linalg_vector_norm", {x, whole(3), list({1}), yes(false), none()}}), {2},
              {std::cbrt(91.0), 2});
  expect_near(run_aten({"frobenius_norm.dim", {x, list({0, 1}), yes(false)}}), {},
              {std::sqrt(29.0)});
  EXPECT_EQ(aten_refusal({"norm.Scalar", {x, text("nuc")}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"norm.Scalar", {x, real(NAN)}}), ErrorCode::model_malformed);
}

TEST(AtenReduce, spreads) {
  const Tensor x = floats({2, 2}, {1, 3, 0, 8});
  expect_near(run_aten({"var.dim", {x, list({1}), yes(true), yes(false)}}, {0}), {2}, {2, 32});
  expect_near(run_aten({"std.correction", {x, list({1}), whole(0), yes(false)}}), {2}, {1, 4});
  const auto out = run_aten_many({"var_mean", {x, yes(false)}, {}, 2});
  expect_near(out[0], {}, {9.5});
  expect_near(out[1], {}, {3});
}

TEST(AtenReduce, cumulates_and_sorts) {
  expect_near(run_aten({"cumsum", {kX, whole(1), none()}}, {0}), {2, 2}, {1, -1, 3, 7});
  expect_near(run_aten({"cumsum", {kX}, {wire::int_attribute("dim", 0)}}), {2, 2}, {1, -2, 4, 2});
  expect_near(run_aten({"cumprod", {kX, whole(-1), none()}}), {2, 2}, {1, -2, 3, 12});
  const auto top = run_aten_many({"topk", {kX, whole(1), whole(1), yes(true), yes(true)}, {}, 2});
  expect_near(top[0], {2, 1}, {1, 4});
  expect_integers(top[1], {2, 1}, {0, 1});
  const auto sorted = run_aten_many({"sort", {kX, whole(1), yes(false)}, {}, 2}, {0});
  expect_near(sorted[0], {2, 2}, {-2, 1, 3, 4});
  expect_integers(sorted[1], {2, 2}, {1, 0, 0, 1});
  EXPECT_EQ(aten_refusal({"cumsum", {kX, whole(2), none()}}), ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop::onnx

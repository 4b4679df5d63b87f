// SPDX-License-Identifier: Apache-2.0
// Functions of one tensor, as PyTorch has them.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = floats({3}, {-1, 0.5f, 2});

TEST(AtenUnary, functions) {
  expect_near(run_aten({"abs", {kX}}, {0}), {3}, {1, 0.5, 2});
  expect_near(run_aten({"exp", {list({0, 1})}}), {2}, {1, std::exp(1.0)});
  expect_near(run_aten({"log2", {floats({2}, {8, 0.5f})}}), {2}, {3, -1});
  expect_near(run_aten({"rsqrt", {floats({2}, {4, 0.25f})}}), {2}, {0.5, 2});
  expect_near(run_aten({"trunc", {floats({3}, {-1.5f, 1.5f, 2})}}), {3}, {-1, 1, 2});
  expect_integers(run_aten({"floor", {list({3, -3})}}), {2}, {3, -3});
  expect_near(run_aten({"relu_", {kX}}), {3}, {0, 0.5, 2});
  EXPECT_EQ(aten_refusal({"exp", {}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"exp", {kX, kX}}), ErrorCode::unsupported_operator);
}

TEST(AtenUnary, activations) {
  const double sigmoid = 1 / (1 + std::exp(-2.0));
  expect_near(run_aten({"silu", {floats({1}, {2})}}), {1}, {2 * sigmoid});
  expect_near(run_aten({"leaky_relu", {kX, real(0.1f)}}), {3}, {-0.1, 0.5, 2});
  expect_near(run_aten({"leaky_relu", {kX}}), {3}, {-0.01, 0.5, 2});
  expect_near(run_aten({"elu", {kX, real(2), whole(3), whole(1)}}), {3},
              {6 * (std::exp(-1.0) - 1), 1.5, 6});
  expect_near(run_aten({"hardtanh", {kX, whole(0), whole(1)}}), {3}, {0, 0.5, 1});
  expect_near(run_aten({"softplus", {floats({2}, {1, 30}), whole(1), whole(20)}}), {2},
              {std::log1p(std::exp(1.0)), 30});
  expect_near(run_aten({"hardsigmoid", {kX}}), {3}, {1 / 3.0, 7 / 12.0, 5 / 6.0});
  expect_near(run_aten({"gelu", {floats({1}, {1}), text("none")}}), {1}, {0.8413447});
  expect_near(run_aten({"gelu", {floats({1}, {1}), text("tanh")}}), {1}, {0.841192});
  expect_near(run_aten({"prelu", {floats({1, 2, 1}, {-1, -1}), floats({2}, {2, 3})}}), {1, 2, 1},
              {-2, -3});
  EXPECT_EQ(aten_refusal({"gelu", {kX, text("fast")}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"elu", {kX, real(1), whole(1), whole(2)}}),
            ErrorCode::unsupported_operator);
}

TEST(AtenUnary, what_changes_nothing) {
  expect_near(run_aten({"clone", {kX, none()}}, {0}), {3}, {-1, 0.5, 2});
  expect_near(run_aten({"dropout", {kX, real(0.5f), yes(false)}}), {3}, {-1, 0.5, 2});
  EXPECT_EQ(aten_refusal({"dropout", {kX, real(0.5f), yes(true)}}),
            ErrorCode::unsupported_operator);
}

}  // namespace
}  // namespace strop::onnx

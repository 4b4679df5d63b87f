// SPDX-License-Identifier: Apache-2.0
// Normalisations and softmax, as PyTorch has them.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = floats({1, 2, 2}, {1, 3, 10, 16});

TEST(AtenNorm, layer_norm) {
  const Tensor scale = floats({2}, {2, 1}), bias = floats({2}, {0, 5});
  const std::vector<double> wanted = {-2, 6, -2, 6};
  expect_near(run_aten({"layer_norm", {kX, list({2}), scale, bias, real(0), yes(true)}}, {0}),
              {1, 2, 2}, wanted);
  // The older form.
  expect_near(run_aten({"layer_norm",
                        {kX, scale, bias},
                        {wire::ints_attribute("normalized_shape", {2}),
                         wire::float_attribute("eps", 0), wire::int_attribute("cudnn_enable", 1)}}),
              {1, 2, 2}, wanted);
  const auto out =
      run_aten_many({"native_layer_norm", {kX, list({2}), none(), none(), real(0)}, {}, 3});
  expect_near(out[0], {1, 2, 2}, {-1, 1, -1, 1});
  expect_near(out[1], {1, 2, 1}, {2, 13});
  expect_near(out[2], {1, 2, 1}, {1, 1 / 3.0});
  EXPECT_EQ(aten_refusal({"layer_norm", {kX, list({3}), scale, bias, real(0), yes(true)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"layer_norm", {kX, list({1, 1, 2, 2}), none(), none()}}),
            ErrorCode::model_malformed);
}

TEST(AtenNorm, groups_instances_and_batches) {
  const Tensor one = floats({2}, {1, 1}), zero = floats({2}, {0, 0});
  expect_near(run_aten({"group_norm", {kX, whole(2), one, zero, real(0), yes(true)}}), {1, 2, 2},
              {-1, 1, -1, 1});
  expect_near(
      run_aten({"instance_norm",
                {kX, none(), none(), none(), none(), yes(true), real(0.1f), real(0), yes(true)}}),
      {1, 2, 2}, {-1, 1, -1, 1});
  expect_near(run_aten({"batch_norm",
                        {kX, none(), none(), floats({2}, {1, 10}), floats({2}, {4, 9}), yes(false),
                         real(0.1f), real(0), yes(true)}},
                       {0}),
              {1, 2, 2}, {0, 1, 0, 2});
  EXPECT_EQ(aten_refusal({"group_norm", {kX, whole(0), one, zero}}), ErrorCode::model_malformed);
  EXPECT_EQ(
      aten_refusal({"batch_norm",
                    {kX, none(), none(), one, one, yes(true), real(0.1f), real(0), yes(true)}}),
      ErrorCode::unsupported_operator);
}

TEST(AtenNorm, softmax) {
  const Tensor x = floats({1, 2}, {0, std::log(3.0f)});
  expect_near(run_aten({"softmax.int", {x, whole(-1), none()}}, {0}), {1, 2}, {0.25, 0.75});
  expect_near(run_aten({"log_softmax.int", {x, whole(1), none()}}), {1, 2},
              {std::log(0.25), std::log(0.75)});
  expect_near(run_aten({"_softmax", {x, whole(1), yes(false)}}), {1, 2}, {0.25, 0.75});
  expect_near(run_aten({"softmax", {x}, {wire::int_attribute("dim", 1)}}), {1, 2}, {0.25, 0.75});
  EXPECT_EQ(aten_refusal({"softmax.int", {x, whole(2), none()}}), ErrorCode::bad_attribute);
  EXPECT_EQ(aten_refusal({"softmax.Dimname", {x, text("C"), none()}}),
            ErrorCode::unsupported_operator);
}

TEST(AtenNorm, cosine_similarity) {
  const Tensor x = floats({1, 2}, {3, 4}), y = floats({1, 2}, {4, 3});
  expect_near(run_aten({"cosine_similarity", {x, y, whole(1), real(1e-8f)}}, {0}), {1}, {0.96});
}

}  // namespace
}  // namespace strop::onnx

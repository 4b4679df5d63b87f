// SPDX-License-Identifier: Apache-2.0
// Products of matrices, as PyTorch has them.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kA = floats({2, 2}, {1, 2, 3, 4});
const Tensor kB = floats({2, 2}, {5, 6, 7, 8});
const std::vector<double> kProduct = {19, 22, 43, 50};

TEST(AtenMatrix, products) {
  expect_near(run_aten({"matmul", {kA, kB}}, {0, 1}), {2, 2}, kProduct);
  expect_near(run_aten({"mm", {kA, kB}}), {2, 2}, kProduct);
  expect_near(run_aten({"bmm", {floats({1, 2, 2}, {1, 2, 3, 4}), floats({1, 2, 2}, {5, 6, 7, 8})}}),
              {1, 2, 2}, kProduct);
  expect_near(run_aten({"mv", {kA, floats({2}, {1, 10})}}), {2}, {21, 43});
  expect_near(run_aten({"dot", {floats({2}, {1, 2}), floats({2}, {3, 4})}}), {}, {11});
  expect_near(run_aten({"outer", {floats({2}, {1, 2}), floats({2}, {3, 4})}}), {2, 2},
              {3, 4, 6, 8});
  EXPECT_EQ(aten_refusal({"mm", {kA, floats({2}, {1, 2})}}), ErrorCode::model_malformed);
}

TEST(AtenMatrix, products_that_are_added) {
  const Tensor row = floats({2}, {1, 2});
  expect_near(run_aten({"addmm", {row, kA, kB, whole(1), whole(1)}}, {0, 1, 2}), {2, 2},
              {20, 24, 44, 52});
  expect_near(run_aten({"addmm", {row, kA, kB, whole(10), real(0.5f)}}), {2, 2},
              {19.5, 31, 31.5, 45});
  // The older form.
  expect_near(run_aten({"addmm",
                        {row, kA, kB},
                        {wire::float_attribute("beta", 2), wire::int_attribute("alpha", 1)}}),
              {2, 2}, {21, 26, 45, 54});
  const Tensor nan = floats({1}, {NAN});
  expect_near(run_aten({"addmm", {nan, kA, kB, whole(0), whole(1)}}), {2, 2}, kProduct);
  expect_near(run_aten({"addmv", {row, kA, row, whole(1), whole(2)}}), {2}, {11, 24});
  const Tensor batch = floats({1, 2, 2}, {1, 2, 3, 4});
  expect_near(run_aten({"baddbmm", {real(1), batch, batch, whole(3), whole(1)}}), {1, 2, 2},
              {10, 13, 18, 25});
  EXPECT_EQ(aten_refusal({"addmm", {row, kA, kB, row, whole(1)}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"addmm", {row, kA, kB, real(1), whole(1)}}, {3}),
            ErrorCode::unsupported_operator);
}

TEST(AtenMatrix, linear) {
  const Tensor x = floats({1, 2}, {1, 10});
  expect_near(run_aten({"linear", {x, kA, floats({2}, {100, 200})}}, {0}), {1, 2}, {121, 243});
  expect_near(run_aten({"linear", {x, kA, none()}}), {1, 2}, {21, 43});
  expect_near(run_aten({"linear", {x, kA}}), {1, 2}, {21, 43});
}

TEST(AtenMatrix, einsum_of_operands_in_place_of_their_list) {
  expect_near(run_aten({"einsum", {text("ij,jk->ik"), kA, kB}}, {1}), {2, 2}, kProduct);
  expect_near(run_aten({"einsum", {text("ii->i"), kA, none()}}), {2}, {1, 4});
  expect_near(run_aten({"einsum", {kA}, {wire::string_attribute("equation", "ij->ji")}}), {2, 2},
              {1, 3, 2, 4});
  EXPECT_NE(aten_refusal({"einsum", {text("ij,jk"), kA}}), ErrorCode::internal);
  EXPECT_EQ(aten_refusal({"einsum", {whole(1), kA}}), ErrorCode::model_malformed);
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Elements arranged anew, as PyTorch does it.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = ramp({2, 3});  // 0 1 2 / 3 4 5
const std::set<std::size_t> kOpen = {0};

TEST(AtenShape, views_and_permutations) {
  expect_near(run_aten({"view", {kX, list({3, -1})}}, kOpen), {3, 2}, {0, 1, 2, 3, 4, 5});
  expect_near(run_aten({"permute", {kX, list({1, 0})}}), {3, 2}, {0, 3, 1, 4, 2, 5});
  const AtenNode old{
      "transpose", {kX}, {wire::int_attribute("dim0", 0), wire::int_attribute("dim1", -1)}};
  expect_near(run_aten(old, kOpen), {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_near(run_aten({"t", {kX}}), {3, 2}, {0, 3, 1, 4, 2, 5});
  expect_near(run_aten({"unsqueeze", {list({1, 2}), whole(-1)}}), {2, 1}, {1, 2});
  expect_near(run_aten({"squeeze.dim", {ramp({1, 2}), whole(0)}}), {2}, {0, 1});
  expect_near(run_aten({"squeeze.dim", {kX, whole(0)}}), {2, 3}, {0, 1, 2, 3, 4, 5});
  expect_near(run_aten({"flatten.using_ints", {ramp({2, 1, 3}), whole(0), whole(1)}}, kOpen),
              {2, 3}, {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(aten_refusal({"permute", {kX, list({0})}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"squeeze.dim", {kX, whole(0)}}, kOpen), ErrorCode::unsupported_operator);
  EXPECT_NE(aten_refusal({"view", {kX, list({4, 2})}}), ErrorCode::internal);
}

TEST(AtenShape, repetitions) {
  expect_near(run_aten({"expand", {ramp({1, 2}), list({2, -1}), yes(false)}}, kOpen), {2, 2},
              {0, 1, 0, 1});
  expect_near(run_aten({"repeat", {ramp({2}), list({2, 1})}}, kOpen), {2, 2}, {0, 1, 0, 1});
  expect_near(run_aten({"tile", {ramp({1, 2}), list({2})}}), {1, 4}, {0, 1, 0, 1});
  EXPECT_NE(aten_refusal({"repeat", {kX, list({-1, 1})}}), ErrorCode::internal);
}

TEST(AtenShape, rolls_and_flips) {
  for (const std::set<std::size_t>& open : {std::set<std::size_t>{}, kOpen}) {
    expect_near(run_aten({"roll", {kX, list({1}), list({1})}}, open), {2, 3}, {2, 0, 1, 5, 3, 4});
    expect_near(run_aten({"roll", {kX, list({-4, 1}), list({1, 0})}}, open), {2, 3},
                {4, 5, 3, 1, 2, 0});
    expect_near(run_aten({"roll", {kX, list({2}), list({})}}, open), {2, 3}, {4, 5, 0, 1, 2, 3});
    expect_near(run_aten({"flip", {kX, list({0, 1})}}, open), {2, 3}, {5, 4, 3, 2, 1, 0});
  }
  expect_near(run_aten({"roll", {kX, list({INT64_MIN}), list({1})}}), {2, 3}, {2, 0, 1, 5, 3, 4});
  EXPECT_EQ(aten_refusal({"roll", {kX, list({1, 2}), list({0})}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"flip", {kX, list({0, 0})}}), ErrorCode::model_malformed);
}

TEST(AtenShape, windows) {
  for (const std::set<std::size_t>& open : {std::set<std::size_t>{}, kOpen}) {
    expect_near(run_aten({"unfold", {ramp({5}), whole(0), whole(3), whole(2)}}, open), {2, 3},
                {0, 1, 2, 2, 3, 4});
  }
  const AtenNode old{"unfold",
                     {kX},
                     {wire::int_attribute("dimension", 0), wire::int_attribute("size", 2),
                      wire::int_attribute("step", 1)}};
  expect_near(run_aten(old), {1, 3, 2}, {0, 3, 1, 4, 2, 5});
  EXPECT_EQ(aten_refusal({"unfold", {kX, whole(0), whole(3), whole(1)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"unfold", {kX, whole(0), whole(1), whole(0)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"unfold", {kX, whole(0), whole(INT64_MAX), whole(1)}}, kOpen),
            ErrorCode::unsupported_operator);
}

TEST(AtenShape, interleaves) {
  expect_near(
      run_aten({"repeat_interleave.self_int", {ramp({2}), whole(2), none(), none()}}, kOpen), {4},
      {0, 0, 1, 1});
  expect_near(
      run_aten({"repeat_interleave.self_Tensor", {kX, list({1, 0, 2}), whole(1), none()}}, {0, 1}),
      {2, 3}, {0, 2, 2, 3, 5, 5});
  expect_integers(run_aten({"repeat_interleave.Tensor", {list({2, 0, 1}), none()}}), {3},
                  {0, 0, 2});
  EXPECT_EQ(aten_refusal({"repeat_interleave.self_int", {kX, whole(-1), none(), none()}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"repeat_interleave.self_Tensor", {kX, list({1, 2}), whole(1), none()}}),
            ErrorCode::model_malformed);
}

TEST(AtenShape, joins_lists_in_place) {
  expect_near(run_aten({"cat", {ramp({1, 2}), ramp({1, 2}), whole(0)}}, {0, 1}), {2, 2},
              {0, 1, 0, 1});
  expect_near(run_aten({"stack", {ramp({2}), list({5, 6}), whole(-1)}}), {2, 2}, {0, 5, 1, 6});
  EXPECT_EQ(aten_refusal({"cat", {none(), whole(0)}}), ErrorCode::model_malformed);
}

TEST(AtenShape, pads_and_triangles) {
  expect_near(run_aten({"constant_pad_nd", {ramp({1, 2}), list({1, 0, 0, 1}), whole(9)}}, kOpen),
              {2, 3}, {9, 0, 1, 9, 9, 9});
  expect_near(run_aten({"reflection_pad1d", {ramp({1, 1, 3}), list({1, 2})}}), {1, 1, 6},
              {1, 0, 1, 2, 1, 0});
  expect_near(run_aten({"pad", {ramp({1, 2}), list({0, 1}), text("replicate"), none()}}), {1, 3},
              {0, 1, 1});
  expect_near(run_aten({"triu", {ramp({2, 2}), whole(1)}}), {2, 2}, {0, 1, 0, 0});
  EXPECT_EQ(aten_refusal({"constant_pad_nd", {kX, list({1}), whole(0)}}),
            ErrorCode::model_malformed);
}

TEST(AtenShape, makes_tensors) {
  expect_integers(run_aten({"arange", {whole(3), none(), none(), none(), none()}}), {3}, {0, 1, 2});
  expect_near(run_aten({"arange.start_step",
                        {whole(1), whole(2), real(0.5f), none(), none(), none(), none()}}),
              {2}, {1, 1.5});
  expect_near(run_aten({"ones_like", {kX, whole(3), none(), none(), none(), none()}}, kOpen),
              {2, 3}, {1, 1, 1, 1, 1, 1});
  expect_near(run_aten({"full_like", {ramp({2}), real(0.5f)}}), {2}, {0.5, 0.5});
}

}  // namespace
}  // namespace strop::onnx

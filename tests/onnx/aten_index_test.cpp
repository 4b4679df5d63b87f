// SPDX-License-Identifier: Apache-2.0
// Reading and writing elements by index, as PyTorch has it.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = ramp({2, 3});  // 0 1 2 / 3 4 5
const Tensor kCube = ramp({2, 2, 3});

TEST(AtenIndex, one_index_replaces_its_axis) {
  for (const std::set<std::size_t>& open : {std::set<std::size_t>{}, {0}, {0, 2}}) {
    expect_near(run_aten({"index.Tensor", {kX, none(), list({2, -3})}}, open), {2, 2},
                {2, 0, 5, 3});
  }
}

TEST(AtenIndex, several_indices_are_read_together) {
  expect_near(run_aten({"index", {kX, list({1, 0}), list({2, 0})}}, {0}), {2}, {5, 0});
  // [1, 2] with [2, 1]: broadcast to [2, 2].
  const Tensor row = Tensor::from<std::int64_t>({1, 2}, {0, 1});
  const Tensor column = Tensor::from<std::int64_t>({2, 1}, {2, 0});
  expect_near(run_aten({"index.Tensor", {kX, row, column}}), {2, 2}, {2, 5, 0, 3});
  // Neighbours after an axis that stays: in their place.
  expect_near(run_aten({"index.Tensor", {kCube, none(), list({1, 0, 1}), list({2, 1, 0})}}), {2, 3},
              {5, 1, 3, 11, 7, 9});
  // With an axis between them: in front.
  expect_near(run_aten({"index.Tensor", {kCube, list({1, 0, 1}), none(), list({2, 1, 0})}}), {3, 2},
              {8, 11, 1, 4, 6, 9});
}

TEST(AtenIndex, masks_choose_what_holds) {
  const Tensor mask = Tensor::from<bool>({2, 3}, {true, false, false, true, true, false});
  for (const std::set<std::size_t>& open : {std::set<std::size_t>{}, {0, 1}})
    expect_near(run_aten({"index.Tensor", {kX, mask}}, open), {3}, {0, 3, 4});
  const Tensor rows = Tensor::from<bool>({2}, {false, true});
  expect_near(run_aten({"index.Tensor", {kX, rows}}), {1, 3}, {3, 4, 5});
}

TEST(AtenIndex, is_refused) {
  EXPECT_EQ(aten_refusal({"index.Tensor", {kX, list({0}), list({0}), list({0})}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"index.Tensor", {kX, floats({1}, {0})}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"index.Tensor", {kX}}), ErrorCode::unsupported_operator);
  EXPECT_EQ(aten_refusal({"index.str", {kX, list({0})}}), ErrorCode::unsupported_operator);
  EXPECT_THROW(run_aten({"index.Tensor", {kX, list({2}), list({0})}}), Error);
}

TEST(AtenIndexPut, writes_and_adds) {
  const std::vector<Tensor> args = {kX, list({1, 1}), list({0, 0}), floats({2}, {10, 20})};
  auto add = args, set = args;
  add.push_back(yes(true));
  set.push_back(yes(false));
  expect_near(run_aten({"index_put", add}), {2, 3}, {0, 1, 2, 33, 4, 5});
  expect_near(run_aten({"index_put_", set}, {0, 3}), {2, 3}, {0, 1, 2, 20, 4, 5});
  expect_near(run_aten({"index_put", {kX, list({1}), real(7), yes(false)}}), {2, 3},
              {0, 1, 2, 7, 7, 7});
  EXPECT_EQ(aten_refusal({"index_put", {kX, none(), list({1}), real(7), yes(false)}}),
            ErrorCode::unsupported_operator);
}

TEST(AtenSelect, takes_one_slice) {
  expect_near(run_aten({"select.int", {kX, whole(1), whole(-1)}}), {2}, {2, 5});
  expect_near(run_aten({"select", {kX, whole(-2), whole(1)}}, {0, 2}), {3}, {3, 4, 5});
  EXPECT_EQ(aten_refusal({"select.int", {kX, whole(2), whole(0)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(aten_refusal({"select.int", {kX, list({0, 1}), whole(0)}}), ErrorCode::model_malformed);
}

TEST(AtenIndexSelect, takes_slices) {
  expect_near(run_aten({"index_select", {kX, whole(1), list({2, 2})}}, {0, 2}), {2, 2},
              {2, 2, 5, 5});
  expect_near(run_aten({"index_select", {kX, whole(1), whole(1)}}), {2, 1}, {1, 4});
}

TEST(AtenSlice, takes_a_range) {
  const auto slice = [](const Tensor& start, const Tensor& end, std::int64_t step) {
    return AtenNode{"slice.Tensor", {kX, whole(1), start, end, whole(step)}};
  };
  expect_near(run_aten(slice(whole(1), whole(INT64_MAX), 1), {0}), {2, 2}, {1, 2, 4, 5});
  expect_near(run_aten(slice(none(), none(), 2)), {2, 2}, {0, 2, 3, 5});
  expect_near(run_aten(slice(whole(-2), whole(-1), 1), {2}), {2, 1}, {1, 4});
  EXPECT_EQ(aten_refusal(slice(whole(0), whole(1), 0)), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal(slice(whole(0), whole(1), -1)), ErrorCode::model_malformed);
  // The older form.
  const AtenNode old{"slice",
                     {kX},
                     {wire::int_attribute("dim", 0), wire::int_attribute("start", 1),
                      wire::int_attribute("end", 9), wire::int_attribute("step", 1)}};
  expect_near(run_aten(old, {0}), {1, 3}, {3, 4, 5});
}

TEST(AtenNarrow, takes_a_length) {
  expect_near(run_aten({"narrow", {kX, whole(1), whole(1), whole(2)}}), {2, 2}, {1, 2, 4, 5});
  expect_near(run_aten({"narrow", {kX, whole(1), whole(-2), whole(2)}}), {2, 2}, {1, 2, 4, 5});
  expect_near(run_aten({"narrow", {kX, whole(1), whole(-2), whole(2)}}, {0, 2}), {2, 2},
              {1, 2, 4, 5});
  EXPECT_EQ(aten_refusal({"narrow", {kX, whole(1), whole(2), whole(2)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"narrow", {kX, whole(1), whole(0), whole(-1)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"narrow", {kX, whole(1), whole(1), whole(INT64_MAX)}}),
            ErrorCode::model_malformed);
  EXPECT_THROW(run_aten({"narrow", {kX, whole(1), whole(2), whole(2)}}, {0}), Error);
}

TEST(AtenGather, gathers_and_takes) {
  const Tensor at = Tensor::from<std::int64_t>({2, 1}, {2, 0});
  expect_near(run_aten({"gather", {kX, whole(1), at, yes(false)}}, {0, 2}), {2, 1}, {2, 3});
  expect_near(run_aten({"take", {kX, list({5, 0, -1})}}, {0}), {3}, {5, 0, 5});
  expect_near(run_aten({"take_along_dim", {kX, at, whole(1)}}), {2, 1}, {2, 3});
  expect_near(run_aten({"take_along_dim", {kX, list({4, 1}), none()}}), {2}, {4, 1});
}

TEST(AtenScatter, replaces_and_adds) {
  const Tensor at = Tensor::from<std::int64_t>({2, 1}, {2, 0});
  const Tensor large = floats({2, 2}, {10, 11, 20, 21});
  expect_near(run_aten({"scatter.src", {kX, whole(1), at, large}}), {2, 3}, {0, 1, 10, 20, 4, 5});
  expect_near(run_aten({"scatter.value", {kX, whole(1), at, real(9)}}, {0}), {2, 3},
              {0, 1, 9, 9, 4, 5});
  expect_near(run_aten({"scatter_add", {kX, whole(1), at, floats({2, 1}, {10, 20})}}), {2, 3},
              {0, 1, 12, 23, 4, 5});
}

TEST(AtenMasks, fill_select_and_count) {
  const Tensor mask = Tensor::from<bool>({3}, {true, false, true});
  expect_near(run_aten({"masked_fill.Scalar", {kX, mask, whole(-1)}}, {0}), {2, 3},
              {-1, 1, -1, -1, 4, -1});
  expect_near(run_aten({"masked_select", {kX, mask}}, {0, 1}), {4}, {0, 2, 3, 5});
  expect_integers(run_aten({"nonzero", {floats({2, 2}, {0, 5, 6, 0})}}), {2, 2}, {0, 1, 1, 0});
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// embedding and embedding_bag of PyTorch.
#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kTable = floats({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});

wire::Message mode(std::int64_t value) { return wire::int_attribute("mode", value); }

TEST(AtenEmbedding, reads_rows) {
  const AtenNode call{"embedding", {kTable, list({2, 0}), whole(-1), yes(false), yes(false)}};
  expect_near(run_aten(call), {2, 2}, {5, 6, 1, 2});
  expect_near(run_aten(call, {0, 1}), {2, 2}, {5, 6, 1, 2});
}

TEST(AtenEmbedding, an_index_out_of_range_is_refused_when_it_runs) {
  EXPECT_THROW(run_aten({"embedding", {kTable, list({4})}}, {1}), Error);
}

TEST(AtenEmbeddingBag, sums_means_and_maxima_of_bags) {
  // Bags {1, 3} and {0}.
  const std::vector<Tensor> args = {kTable, list({1, 3, 0}), list({0, 2})};
  for (const std::set<std::size_t>& open : {std::set<std::size_t>{}, {0, 1}, {0, 1, 2}}) {
    expect_near(run_aten({"embedding_bag", args, {mode(0)}}, open), {2, 2}, {10, 12, 1, 2});
    expect_near(run_aten({"embedding_bag", args, {mode(1)}}, open), {2, 2}, {5, 6, 1, 2});
    expect_near(run_aten({"embedding_bag", args, {mode(2)}}, open), {2, 2}, {7, 8, 1, 2});
  }
}

TEST(AtenEmbeddingBag, an_empty_bag_is_zero) {
  const std::vector<Tensor> args = {kTable, list({1, 3}), list({0, 0, 2})};
  for (const std::int64_t how : {0, 1, 2}) {
    const Tensor y = run_aten({"embedding_bag", args, {mode(how)}});
    EXPECT_EQ(doubles_of(y)[0], 0);
    EXPECT_EQ(doubles_of(y)[5], 0);
  }
}

TEST(AtenEmbeddingBag, arguments_by_position) {
  const Tensor weights = floats({3}, {1, 2, 3});
  const std::vector<Tensor> args = {kTable,     list({1, 3, 0}), list({0, 2, 3}),
                                    yes(false), whole(0),        yes(false),
                                    weights,    yes(true),       whole(-1)};
  // 1 * (3, 4) + 2 * (7, 8), and 3 * (1, 2).
  expect_near(run_aten({"embedding_bag.padding_idx", args}, {0, 6}), {2, 2}, {17, 20, 3, 6});
}

TEST(AtenEmbeddingBag, padding_does_not_count) {
  const std::vector<Tensor> args = {kTable,     list({1, 3, 3}), list({0, 2}), yes(false), whole(1),
                                    yes(false), none(),          yes(false),   whole(3)};
  expect_near(run_aten({"embedding_bag.padding_idx", args}), {2, 2}, {3, 4, 0, 0});
}

TEST(AtenEmbeddingBag, rows_of_a_matrix_are_bags) {
  const Tensor rows = Tensor::from<std::int64_t>({2, 2}, {0, 1, 2, 3});
  expect_near(run_aten({"embedding_bag", {kTable, rows}, {mode(0)}}, {1}), {2, 2}, {4, 6, 12, 14});
}

TEST(AtenEmbeddingBag, is_refused) {
  const std::vector<Tensor> args = {kTable, list({1, 3}), list({0})};
  EXPECT_EQ(aten_refusal({"embedding_bag", args, {mode(3)}}), ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"embedding_bag", {kTable, list({1}), list({1})}, {mode(0)}}),
            ErrorCode::model_malformed);
  EXPECT_EQ(aten_refusal({"embedding_bag", {kTable, whole(1), list({0})}, {mode(0)}}),
            ErrorCode::model_malformed);
  // Which bag each entry is in is not computed.
  EXPECT_EQ(aten_refusal({"embedding_bag", args, {mode(0)}, 2}), ErrorCode::unsupported_operator);
}

}  // namespace
}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/map_to_tensor.hpp"
#include "ops/run_data.hpp"
#include "ops/zip_map.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::run_data;
using test::values_of;

Tensor words(std::vector<std::string> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::from_strings({count}, std::move(values));
}

template <class T>
Map map_of(Tensor keys, const std::vector<T>& values) {
  Map out;
  out.keys = std::move(keys);
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, std::string>) {
      out.values.emplace_back(Tensor::from_strings({}, {value}));
    } else {
      out.values.emplace_back(Tensor::scalar<T>(value));
    }
  }
  return out;
}

TEST(ZipMap, makes_a_map_of_each_row) {
  const auto out = run_data(op_zip_map(), ZipMapAttributes{words({"no", "yes"})},
                            {Tensor::from<float>({2, 2}, {1, 2, 3, 4})});
  const Sequence& maps = out[0].sequence();
  ASSERT_EQ(maps.size(), 2u);
  const Map& second = std::get<Map>(maps[1].value);
  EXPECT_EQ(values_of<std::string>(second.keys), (std::vector<std::string>{"no", "yes"}));
  EXPECT_TRUE(second.values[1].tensor().identical(Tensor::scalar<float>(4)));
}

TEST(ZipMap, takes_a_vector_for_one_row_and_none_for_none) {
  const ZipMapAttributes attributes{i64s({5, 6})};
  EXPECT_EQ(
      run_data(op_zip_map(), attributes, {Tensor::from<float>({2}, {1, 2})})[0].sequence().size(),
      1u);
  EXPECT_TRUE(run_data(op_zip_map(), attributes, {Tensor::zeros(DType::f32, {0, 2})})[0]
                  .sequence()
                  .empty());
  EXPECT_EQ(code_of([&] { run_data(op_zip_map(), attributes, {Tensor::zeros(DType::f32, {3})}); }),
            ErrorCode::bad_shape);
  RunLimits limits;
  limits.sequence_length = 3;
  EXPECT_EQ(
      code_of([&] {
        run_data(op_zip_map(), attributes, {Tensor::zeros(DType::f32, {4, 2})}, 1, {}, limits);
      }),
      ErrorCode::limit_exceeded);
}

TEST(MapToTensor, sorts_values_by_their_keys) {
  const Map map = map_of<float>(i64s({5, -2, 0}), {1.5f, 2.5f, 3.f});
  const auto y = run_data(op_map_to_tensor(), MapToTensorAttributes{}, {map});
  EXPECT_TRUE(y[0].tensor().identical(Tensor::from<float>({1, 3}, {2.5f, 3.f, 1.5f})));
  const auto text = run_data(op_map_to_tensor(), MapToTensorAttributes{.to = DType::string}, {map});
  EXPECT_EQ(values_of<std::string>(text[0].tensor()),
            (std::vector<std::string>{"2.5", "3", "1.5"}));
}

TEST(MapToTensor, puts_values_where_their_key_says) {
  MapToTensorAttributes attributes{.order = MapOrder::indexed, .length = 4, .to = DType::string};
  const auto y =
      run_data(op_map_to_tensor(), attributes, {map_of<std::string>(i64s({3, 0}), {"x", "y"})});
  EXPECT_EQ(values_of<std::string>(y[0].tensor()), (std::vector<std::string>{"y", "", "", "x"}));
  for (const std::int64_t key : {std::int64_t{4}, std::int64_t{-1}, INT64_MAX}) {
    EXPECT_EQ(code_of([&] {
                run_data(op_map_to_tensor(), attributes, {map_of<std::string>(i64s({key}), {"x"})});
              }),
              ErrorCode::bad_value);
  }
  attributes.to = DType::i64;
  EXPECT_EQ(code_of([&] {
              run_data(op_map_to_tensor(), attributes, {map_of<std::string>(i64s({1}), {"x"})});
            }),
            ErrorCode::bad_value);
}

TEST(MapToTensor, looks_keys_up_in_a_vocabulary) {
  const MapToTensorAttributes attributes{.order = MapOrder::vocabulary,
                                         .vocabulary = words({"a", "c", "b", "z"})};
  const auto y =
      run_data(op_map_to_tensor(), attributes, {map_of<float>(words({"c", "a", "?"}), {8, 4, 1})});
  EXPECT_TRUE(y[0].tensor().identical(Tensor::from<float>({1, 4}, {4, 8, 0, 0})));
  const auto empty = run_data(op_map_to_tensor(), attributes, {map_of<float>(words({}), {})});
  EXPECT_TRUE(empty[0].tensor().identical(Tensor::zeros(DType::f32, {1, 4})));
}

TEST(MapToTensor, refuses_maps_that_are_none) {
  const auto run = [](Datum map) {
    return code_of(
        [&] { run_data(op_map_to_tensor(), MapToTensorAttributes{}, {std::move(map)}); });
  };
  EXPECT_EQ(run(map_of<float>(i64s({1, 2}), {1})), ErrorCode::bad_value);
  EXPECT_EQ(run(map_of<float>(words({"a"}), {1})), ErrorCode::bad_type);
  EXPECT_EQ(run(i64s({1})), ErrorCode::bad_type);
  Map vectors{.keys = i64s({1}), .values = {Datum(i64s({1, 2}))}};
  EXPECT_EQ(run(vectors), ErrorCode::bad_value);
  Map mixed{.keys = i64s({1, 2}),
            .values = {Datum(Tensor::scalar<float>(1)), Datum(Tensor::scalar<double>(1))}};
  EXPECT_EQ(run(mixed), ErrorCode::bad_value);
}

}  // namespace
}  // namespace strop

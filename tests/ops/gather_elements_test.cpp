// SPDX-License-Identifier: Apache-2.0
// Operators that pick elements by index: gather_elements, gather_nd, reverse_sequence.
#include "ops/gather_elements.hpp"

#include <gtest/gtest.h>

#include "ops/gather_nd.hpp"
#include "ops/reverse_sequence.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using I64 = std::vector<std::int64_t>;

Tensor indices(Shape shape, const I64& values) {
  return Tensor::from<std::int64_t>(std::move(shape), values);
}

Tensor gathered(std::int64_t axis, const Tensor& x, const Tensor& at) {
  return run_op(op_gather_elements(), GatherElementsAttributes{.axis = axis}, {x, at});
}

TEST(GatherElements, takes_each_element_from_its_own_line) {
  const Tensor x = ramp({2, 3});
  expect_near(gathered(1, x, indices({2, 2}, {2, 0, -1, 1})), {2, 2}, {2, 0, 5, 4});
  expect_near(gathered(0, x, indices({3, 2}, {1, 0, 0, -1, -2, 1})), {3, 2}, {3, 1, 0, 4, 0, 4});
  expect_near(gathered(-1, x, Tensor::from<std::int32_t>({1, 4}, {2, 2, 0, -3})), {1, 4},
              {2, 2, 0, 0});
}

TEST(GatherElements, works_on_a_middle_axis_and_wider_tensors) {
  const Tensor x = ramp({2, 2, 3});
  expect_near(gathered(1, x, indices({1, 3, 2}, {0, 1, 1, 0, 1, 1})), {1, 3, 2},
              {0, 4, 3, 1, 3, 4});
  const Tensor wide = ramp({2, 3000});
  Tensor at = Tensor::zeros(DType::i64, {1, 2500});
  auto values = at.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? 1 : 0;
  const Tensor y = gathered(0, wide, at);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(y.values<float>()[i], static_cast<float>(i + (i % 3 == 0 ? 3000 : 0)));
  }
}

TEST(GatherElements, moves_strings_packed_and_complex_elements) {
  const Tensor words = Tensor::from_strings({3}, {"a", "bc", ""});
  EXPECT_EQ(values_of<std::string>(gathered(0, words, indices({2}, {1, 1}))),
            (std::vector<std::string>{"bc", "bc"}));
  Tensor nibbles = Tensor::zeros(DType::i4, {3});
  for (int i = 0; i < 3; ++i) {
    store_packed(nibbles.mutable_data(), i, 4, static_cast<std::uint8_t>(i + 1));
  }
  const Tensor picked = gathered(0, nibbles, indices({3}, {2, 0, 1}));
  EXPECT_EQ(picked.dtype(), DType::i4);
  EXPECT_EQ(doubles_of(picked), (std::vector<double>{3, 1, 2}));
  Tensor complex = Tensor::allocate(DType::c128, {2});
  auto* parts = reinterpret_cast<double*>(complex.mutable_data());
  for (int i = 0; i < 4; ++i) parts[i] = i;
  const Tensor second = gathered(0, complex, indices({1}, {1}));
  EXPECT_EQ(reinterpret_cast<const double*>(second.data())[0], 2);
  EXPECT_EQ(reinterpret_cast<const double*>(second.data())[1], 3);
}

TEST(GatherElements, of_no_indices_is_empty) {
  EXPECT_EQ(gathered(0, ramp({2, 3}), indices({0, 3}, {})).shape(), (Shape{0, 3}));
  EXPECT_EQ(gathered(1, Tensor::zeros(DType::f32, {0, 3}), indices({0, 2}, {})).size(), 0);
}

TEST(GatherElements, refuses_indices_out_of_range) {
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t index : {std::int64_t{3}, std::int64_t{-4}, kLowest, kHighest}) {
    EXPECT_EQ(error_of(op_gather_elements(), GatherElementsAttributes{.axis = 0},
                       {ramp({3}), indices({1}, {index})}),
              ErrorCode::bad_value)
        << index;
  }
  const Tensor empty = Tensor::zeros(DType::f32, {std::int64_t{1} << 62, 0, 1});
  EXPECT_EQ(error_of(op_gather_elements(), GatherElementsAttributes{.axis = 1},
                     {empty, indices({5, 1, 1}, {0, 0, 0, 0, 0})}),
            ErrorCode::bad_value);
}

TEST(GatherElements, refuses_shapes_that_do_not_fit) {
  const auto error = [](std::int64_t axis, const Tensor& x, const Tensor& at) {
    return error_of(op_gather_elements(), GatherElementsAttributes{.axis = axis}, {x, at});
  };
  EXPECT_EQ(error(0, ramp({2, 3}), indices({2}, {0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(0, ramp({2, 1}), indices({1, 2}, {0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(2, ramp({2, 3}), indices({1, 1}, {0})), ErrorCode::bad_attribute);
  EXPECT_EQ(error(0, ramp({}), indices({}, {0})), ErrorCode::bad_attribute);
  EXPECT_EQ(error(0, ramp({2}), ramp({1})), ErrorCode::bad_type);
}

TEST(GatherElements, has_the_shape_of_its_indices_known_or_not) {
  const auto shape = [](const std::vector<std::string>& inputs) {
    return infer_op(op_gather_elements(), GatherElementsAttributes{.axis = 1}, inputs)[0]
        .type.to_string();
  };
  EXPECT_EQ(shape({"f32[N,3]", "i64[N,K]"}), "f32[N,K]");
  EXPECT_EQ(shape({"f32[*]", "i64[N,K]"}), "f32[N,K]");
  EXPECT_EQ(shape({"f32[*]", "i64[*]"}), "f32[*]");
  EXPECT_EQ(shape({"f32[N,3]", "i64[*]"}), "f32[#test.0,#test.1]");
}

TEST(GatherElements, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_gather_elements(), GatherElementsAttributes{}, {"i64[3]", "i64[2]"},
                            1, {{Dim(4), n, Dim(5)}, {Dim(1), Dim(-1)}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{n, Dim(5)}));
}

Tensor gathered_nd(const Tensor& x, const Tensor& at, std::int64_t batch_dims = 0) {
  return run_op(op_gather_nd(), GatherNdAttributes{.batch_dims = batch_dims}, {x, at});
}

TEST(GatherNd, takes_elements_or_slices_by_tuples) {
  const Tensor x = ramp({2, 3});
  expect_near(gathered_nd(x, indices({2, 2}, {0, 0, -1, -1})), {2}, {0, 5});
  expect_near(gathered_nd(x, indices({2, 1}, {1, 0})), {2, 3}, {3, 4, 5, 0, 1, 2});
  expect_near(gathered_nd(x, indices({2}, {1, 1})), {}, {4});
  expect_near(gathered_nd(ramp({2, 2, 2}), indices({2, 1, 2}, {0, 1, 1, 0})), {2, 1, 2},
              {2, 3, 4, 5});
}

TEST(GatherNd, counts_within_batches) {
  const Tensor x = ramp({2, 3, 2});
  expect_near(gathered_nd(x, indices({2, 1}, {1, 0}), 1), {2, 2}, {2, 3, 6, 7});
  expect_near(gathered_nd(x, indices({2, 2, 1}, {0, -1, 1, 1}), 1), {2, 2, 2},
              {0, 1, 4, 5, 8, 9, 8, 9});
  expect_near(gathered_nd(x, indices({2, 3, 1}, {0, 1, 0, 1, 0, 1}), 2), {2, 3},
              {0, 3, 4, 7, 8, 11});
}

TEST(GatherNd, moves_strings_and_nothing) {
  const Tensor words = Tensor::from_strings({2, 1}, {"a", "b"});
  EXPECT_EQ(values_of<std::string>(gathered_nd(words, indices({1, 1}, {1}))),
            (std::vector<std::string>{"b"}));
  EXPECT_EQ(gathered_nd(ramp({2, 3}), indices({0, 1}, {})).shape(), (Shape{0, 3}));
  EXPECT_EQ(gathered_nd(Tensor::zeros(DType::f32, {2, 0}), indices({1, 1}, {1})).shape(),
            (Shape{1, 0}));
}

TEST(GatherNd, refuses_what_does_not_fit) {
  const auto error = [](const Tensor& x, const Tensor& at, std::int64_t batch_dims = 0) {
    return error_of(op_gather_nd(), GatherNdAttributes{.batch_dims = batch_dims}, {x, at});
  };
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 2}, {0, 3})), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 2}, {-3, 0})), ErrorCode::bad_value);
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 3}, {0, 0, 0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({1, 0}, {})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({}), indices({1}, {0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({}, {0})), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({3, 1}, {0, 0, 0}), 1), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({2}, {0, 0}), 1), ErrorCode::bad_shape);
  EXPECT_EQ(error(ramp({2, 3}), indices({2, 1}, {0, 0}), -1), ErrorCode::bad_attribute);
  // An empty tensor of a shape whose strides do not fit 64 bits.
  const std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_EQ(error(Tensor::zeros(DType::f32, {huge, huge, 0}), indices({1, 3}, {5, 5, 0})),
            ErrorCode::bad_value);
}

TEST(GatherNd, infers_symbolic_shapes) {
  const auto shape = [](const std::vector<std::string>& inputs, std::int64_t batch_dims) {
    return infer_op(op_gather_nd(), GatherNdAttributes{.batch_dims = batch_dims}, inputs)[0]
        .type.to_string();
  };
  EXPECT_EQ(shape({"f32[N,M,3]", "i64[K,1]"}, 0), "f32[K,M,3]");
  EXPECT_EQ(shape({"f32[N,M,3]", "i64[N,K,1]"}, 1), "f32[N,K,3]");
  EXPECT_EQ(shape({"f32[N,M,3]", "i64[K,T]"}, 0), "f32[*]");
  EXPECT_EQ(shape({"f32[*]", "i64[K,1]"}, 0), "f32[*]");
  EXPECT_EQ(shape({"f32[N]", "i64[*]"}, 0), "f32[*]");
}

TEST(GatherNd, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto out = infer_op(op_gather_nd(), GatherNdAttributes{}, {"i64[2]", "i64[1]"}, 1,
                            {{Dim(4), n}, {Dim(1)}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ(*out[0].elements, (std::vector<Dim>{n}));
}

Tensor reversed(const Tensor& x, const I64& lengths, bool batch_first) {
  ReverseSequenceAttributes attributes;
  if (batch_first) attributes = {.batch_axis = 0, .time_axis = 1};
  return run_op(op_reverse_sequence(), attributes,
                {x, indices({static_cast<std::int64_t>(lengths.size())}, lengths)});
}

TEST(ReverseSequence, turns_the_first_steps_of_each_sequence_around) {
  expect_near(reversed(ramp({2, 3}), {3, 2}, true), {2, 3}, {2, 1, 0, 4, 3, 5});
  expect_near(reversed(ramp({3, 2}), {3, 0}, false), {3, 2}, {4, 1, 2, 3, 0, 5});
  expect_near(reversed(ramp({2, 2, 2}), {2, 1}, true), {2, 2, 2}, {2, 3, 0, 1, 4, 5, 6, 7});
  EXPECT_EQ(
      values_of<std::string>(reversed(Tensor::from_strings({1, 3}, {"a", "b", "c"}), {3}, true)),
      (std::vector<std::string>{"c", "b", "a"}));
  EXPECT_EQ(reversed(Tensor::zeros(DType::f32, {0, 2}), {}, true).shape(), (Shape{0, 2}));
}

TEST(ReverseSequence, refuses_what_does_not_fit) {
  const auto error = [](const ReverseSequenceAttributes& attributes, const Tensor& x,
                        const I64& lengths) {
    return error_of(op_reverse_sequence(), attributes,
                    {x, indices({static_cast<std::int64_t>(lengths.size())}, lengths)});
  };
  EXPECT_EQ(error({.batch_axis = 0, .time_axis = 1}, ramp({1, 2}), {3}), ErrorCode::bad_value);
  EXPECT_EQ(error({.batch_axis = 0, .time_axis = 1}, ramp({1, 2}), {-1}), ErrorCode::bad_value);
  EXPECT_EQ(error({.batch_axis = 0, .time_axis = 1}, ramp({1, 2}), {1, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(error({}, ramp({2}), {1}), ErrorCode::bad_shape);
  EXPECT_EQ(error({.batch_axis = 1, .time_axis = 1}, ramp({1, 2}), {1}), ErrorCode::bad_attribute);
  EXPECT_EQ(error({.batch_axis = 2, .time_axis = 0}, ramp({1, 2, 1}), {1}),
            ErrorCode::bad_attribute);
}

}  // namespace
}  // namespace strop

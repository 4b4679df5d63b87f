// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_integer.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

using Ints = std::vector<std::int32_t>;

Tensor u8(Shape shape, const std::vector<std::uint8_t>& values) {
  return Tensor::from<std::uint8_t>(std::move(shape), values);
}
Tensor i8(Shape shape, const std::vector<std::int8_t>& values) {
  return Tensor::from<std::int8_t>(std::move(shape), values);
}
Tensor filled(DType dtype, Shape shape, int value) {
  Tensor out = Tensor::allocate(dtype, std::move(shape));
  for (std::int64_t i = 0; i < out.size(); ++i) {
    store_from_double(dtype, out.mutable_data(), i, value);
  }
  return out;
}

Ints convolve(const ConvAttributes& attributes, const std::vector<Tensor>& inputs) {
  return values_of<std::int32_t>(run_op(op_conv_integer(), attributes, inputs));
}
Ints multiply(const std::vector<Tensor>& inputs) {
  return values_of<std::int32_t>(run_op(op_matmul_integer(), {}, inputs));
}

TEST(ConvInteger, sums_differences_from_the_zero_points) {
  const Tensor x = u8({1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10});
  const Tensor w = u8({1, 1, 2, 2}, {1, 1, 1, 1});
  EXPECT_EQ(convolve({}, {x, w}), (Ints{16, 20, 28, 32}));
  EXPECT_EQ(convolve({}, {x, w, u8({}, {1})}), (Ints{12, 16, 24, 28}));
  EXPECT_EQ(convolve({}, {x, w, u8({1}, {1}), u8({}, {3})}), (Ints{-24, -32, -48, -56}));
}

TEST(ConvInteger, pads_with_the_zero_point) {
  const Tensor x = u8({1, 1, 2, 2}, {101, 102, 103, 104});
  const Tensor w = i8({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_EQ(convolve({.pads = {1, 1, 1, 1}}, {x, w, u8({}, {100})}), (Ints{10, 10, 10, 10}));
  EXPECT_EQ(convolve({.pads = {1, 1, 1, 1}}, {x, w}), (Ints{410, 410, 410, 410}));
}

TEST(ConvInteger, has_a_zero_point_per_output_channel_and_a_bias) {
  const Tensor x = i8({1, 2, 1, 1}, {3, -4});
  const Tensor w = i8({2, 2, 1, 1}, {1, 2, 3, 4});
  EXPECT_EQ(convolve({}, {x, w, {}, i8({2}, {1, -1})}), (Ints{-4, -8}));
  EXPECT_EQ(convolve({}, {x, w, {}, {}, Tensor::from<std::int32_t>({2}, {100, -7})}),
            (Ints{95, -14}));
  // Each group sees its own channel.
  EXPECT_EQ(convolve({.group = 2}, {x, i8({2, 1, 1, 1}, {5, 6}), {}, i8({2}, {1, 2})}),
            (Ints{12, -16}));
}

TEST(ConvInteger, runs_over_one_and_three_spatial_axes) {
  EXPECT_EQ(convolve({.strides = {2}, .dilations = {2}},
                     {u8({1, 1, 7}, {1, 2, 3, 4, 5, 6, 7}), u8({1, 1, 2}, {1, 10})}),
            (Ints{31, 53, 75}));
  EXPECT_EQ(convolve({}, {u8({1, 1, 1, 2, 2}, {1, 2, 3, 4}), u8({1, 1, 1, 2, 2}, {1, 2, 3, 4})}),
            (Ints{30}));
  EXPECT_EQ(
      run_op(op_conv_integer(), ConvAttributes{}, {u8({0, 1, 3}, {}), u8({1, 1, 3}, {1, 1, 1})})
          .shape(),
      (Shape{0, 1, 1}));
}

// 255 * 255 * 40,000 passes 2^31.
TEST(ConvInteger, wraps_beyond_32_bits) {
  const std::int64_t sum = std::int64_t{255} * 255 * 40'000;
  const auto wrapped = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum));
  EXPECT_EQ(convolve({}, {filled(DType::u8, {1, 40'000, 1}, 255),
                          filled(DType::u8, {1, 40'000, 1}, 255)}),
            (Ints{wrapped}));
  EXPECT_EQ(multiply({filled(DType::u8, {1, 40'000}, 255), filled(DType::u8, {40'000, 1}, 255)}),
            (Ints{wrapped}));
}

TEST(ConvInteger, refuses_what_does_not_fit) {
  const auto refused = [](const ConvAttributes& attributes, const std::vector<Tensor>& inputs) {
    return error_of(op_conv_integer(), attributes, inputs);
  };
  const Tensor x = filled(DType::u8, {1, 2, 3, 3}, 1), w = filled(DType::i8, {4, 2, 2, 2}, 1);
  EXPECT_EQ(refused({}, {x, w, u8({2}, {1, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {x, w, {}, i8({2}, {1, 2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {x, w, {}, i8({1, 4}, {1, 2, 3, 4})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {x, w, i8({}, {1})}), ErrorCode::bad_type);
  EXPECT_EQ(refused({}, {x, w, {}, u8({}, {1})}), ErrorCode::bad_type);
  EXPECT_EQ(refused({}, {x, ramp({4, 2, 2, 2})}), ErrorCode::bad_type);
  EXPECT_EQ(refused({}, {x, w, {}, {}, Tensor::zeros(DType::i32, {3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {x, filled(DType::i8, {4, 3, 2, 2}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({}, {x, filled(DType::i8, {4, 2, 4, 2}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.group = 0}, {x, w}), ErrorCode::bad_attribute);
}

TEST(ConvInteger, is_known_by_symbols) {
  const auto out = infer_op(op_conv_integer(), ConvAttributes{.pads = {1, 1, 1, 1}},
                            {"u8[N,8,H,W]", "i8[M,8,3,3]", "u8[]", "i8[M]"});
  EXPECT_EQ(out[0].type.to_string(), "i32[N,M,H,W]");
  EXPECT_EQ(infer_op(op_conv_integer(), ConvAttributes{}, {"u8[*]", "i8[*]"})[0].type.to_string(),
            "i32[*]");
}

TEST(MatmulInteger, has_zero_points_per_row_and_column) {
  const Tensor a = u8({2, 3}, {1, 2, 3, 4, 5, 6}), b = i8({3, 2}, {1, -1, 2, -2, 3, -3});
  EXPECT_EQ(multiply({a, b}), (Ints{14, -14, 32, -32}));
  EXPECT_EQ(multiply({a, b, u8({}, {1}), i8({}, {1})}), (Ints{5, -11, 14, -38}));
  const Ints rows = {14 - 6, -14 + 6, 32 - 24, -32 + 24};
  EXPECT_EQ(multiply({a, b, u8({2}, {1, 4})}), rows);
  EXPECT_EQ(multiply({a, b, u8({2, 1}, {1, 4})}), rows);
  const Ints columns = {14 - 6, -14 + 12, 32 - 15, -32 + 30};
  EXPECT_EQ(multiply({a, b, {}, i8({2}, {1, -2})}), columns);
  EXPECT_EQ(multiply({a, b, {}, i8({1, 2}, {1, -2})}), columns);
}

TEST(MatmulInteger, has_zero_points_per_matrix_of_a_batch) {
  const Tensor a = u8({2, 1, 2}, {1, 2, 3, 4}), b = u8({2, 2, 1}, {1, 1, 1, 2});
  EXPECT_EQ(multiply({a, b, u8({2, 1, 1}, {1, 3}), u8({2, 1, 1}, {0, 1})}), (Ints{1, 1}));
  EXPECT_EQ(multiply({a, b, u8({1, 1, 1}, {1})}), (Ints{1, 8}));
  // A zero point that is the same for all of b's matrices.
  EXPECT_EQ(multiply({a, filled(DType::u8, {2, 2, 3}, 4), {}, u8({1, 1, 3}, {4, 3, 2})}),
            (Ints{0, 3, 6, 0, 7, 14}));
}

TEST(MatmulInteger, takes_vectors_and_empty_operands) {
  EXPECT_EQ(multiply({u8({2}, {3, 4}), u8({2}, {5, 6}), u8({}, {1}), u8({1}, {5})}), (Ints{3}));
  EXPECT_EQ(multiply({u8({2, 2}, {1, 2, 3, 4}), u8({2}, {1, 10}), u8({2}, {1, 3})}),
            (Ints{10, 10}));
  EXPECT_EQ(multiply({u8({2, 0}, {}), u8({0, 1}, {}), u8({2}, {1, 3})}), (Ints{0, 0}));
  EXPECT_EQ(multiply({u8({0, 2}, {}), u8({2, 1}, {1, 2}), u8({0}, {})}), Ints{});
}

TEST(MatmulInteger, refuses_what_does_not_fit) {
  const auto refused = [](const std::vector<Tensor>& inputs) {
    return error_of(op_matmul_integer(), {}, inputs);
  };
  const Tensor a = filled(DType::u8, {2, 3}, 1), b = filled(DType::u8, {3, 4}, 1);
  EXPECT_EQ(refused({a, a}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, filled(DType::u8, {3}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, filled(DType::u8, {2, 3}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, {}, filled(DType::u8, {3}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, {}, filled(DType::u8, {3, 4}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, filled(DType::u8, {1, 2, 1}, 1)}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, filled(DType::u8, {3}, 1), {}, filled(DType::u8, {3}, 1)}),
            ErrorCode::bad_shape);
  EXPECT_EQ(refused({a, b, filled(DType::i8, {}, 1)}), ErrorCode::bad_type);
  EXPECT_EQ(refused({a, Tensor::zeros(DType::i16, {3, 4})}), ErrorCode::bad_type);
}

}  // namespace
}  // namespace strop

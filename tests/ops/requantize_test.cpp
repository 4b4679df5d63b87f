// SPDX-License-Identifier: Apache-2.0
#include "ops/requantize.hpp"

#include "ops/run_op.hpp"
#include "ops/table_lookup.hpp"

namespace strop {
namespace {

Tensor requantize(const RequantizeAttributes& a, const std::vector<Tensor>& inputs) {
  return run_op(op_requantize(), a, inputs);
}

ErrorCode code_of(const RequantizeAttributes& a, const std::vector<Tensor>& inputs) {
  try {
    requantize(a, inputs);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

Tensor sums(Shape shape, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(std::move(shape), values);
}

// y = x / 4 with zero point 10, in u8: m = 1 / (4 * 255), c = 10 / 255.
TEST(Requantize, rounds_half_to_even_and_saturates) {
  const RequantizeAttributes a{.low = 0, .high = 255, .to = DType::u8};
  const Tensor m = floats({}, {static_cast<float>(1.0 / (4 * 255.0))});
  const Tensor c = floats({}, {static_cast<float>(10 / 255.0)});
  EXPECT_EQ(values_of<std::uint8_t>(
                requantize(a, {sums({7}, {0, 4, 40, -40, -4000, 980, 100000}), m, c})),
            (std::vector<std::uint8_t>{10, 11, 20, 0, 0, 255, 255}));
  // 1/255 of 255 steps is exact in binary for a range that is a power of two: halves are seen.
  const RequantizeAttributes even{.low = 0, .high = 128, .to = DType::u8};
  EXPECT_EQ(values_of<std::uint8_t>(requantize(
                even, {sums({4}, {1, 3, 5, 7}), floats({}, {1.0f / 256}), floats({}, {0})})),
            (std::vector<std::uint8_t>{0, 2, 2, 4}));
}

TEST(Requantize, takes_factors_per_channel_and_a_residual) {
  const RequantizeAttributes a{.axis = 1,
                               .residual_multiplier = 1.0 / 64,
                               .residual_zero = 3,
                               .low = -64,
                               .high = 64,
                               .to = DType::i8};
  const Tensor x = sums({1, 2, 2}, {4, 8, 4, 8});
  const Tensor m = floats({2}, {1.0f / 128, 1.0f / 32});
  const Tensor c = floats({2}, {0.5f, 0.25f});
  EXPECT_EQ(values_of<std::int8_t>(requantize(a, {x, m, c})),
            (std::vector<std::int8_t>{4, 8, -16, 0}));
  const Tensor r = Tensor::from<std::uint8_t>({1, 2, 2}, {3, 4, 0, 255});
  // The residual's steps are worth two of the result's.
  EXPECT_EQ(values_of<std::int8_t>(requantize(a, {x, m, c, r})),
            (std::vector<std::int8_t>{4, 10, -22, 64}));
}

TEST(Requantize, takes_bytes_with_their_zero_point) {
  const RequantizeAttributes a{.x_zero = 128, .low = 0, .high = 255, .to = DType::u8};
  const Tensor x = Tensor::from<std::uint8_t>({3}, {128, 130, 0});
  EXPECT_EQ(values_of<std::uint8_t>(requantize(
                a, {x, floats({}, {1.0f / 255}), floats({}, {static_cast<float>(200 / 255.0)})})),
            (std::vector<std::uint8_t>{200, 202, 72}));
}

TEST(Requantize, refuses_bounds_and_zero_points_that_no_byte_has) {
  const std::vector<Tensor> inputs = {sums({2}, {1, 2}), floats({}, {1}), floats({}, {0})};
  EXPECT_EQ(code_of({}, inputs), ErrorCode::ok);
  EXPECT_EQ(code_of({.low = 5, .high = 5}, inputs), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({.low = -129, .high = 5}, inputs), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({.low = -1, .high = 5, .to = DType::u8}, inputs), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({.to = DType::i16}, inputs), ErrorCode::bad_type);
  EXPECT_EQ(code_of({.x_zero = 1}, inputs), ErrorCode::bad_attribute);
  EXPECT_EQ(code_of({.axis = 0}, {sums({2}, {1, 2}), floats({3}, {1, 1, 1}), floats({}, {0})}),
            ErrorCode::bad_shape);
}

TEST(TableLookup, takes_the_bits_of_a_value_as_its_place) {
  std::vector<std::uint8_t> entries(256);
  for (std::size_t i = 0; i < 256; ++i) entries[i] = static_cast<std::uint8_t>(255 - i);
  const Tensor table = Tensor::from<std::uint8_t>({256}, entries);
  const Tensor y =
      run_op(op_table_lookup(), {}, {Tensor::from<std::int8_t>({3}, {0, 1, -1}), table});
  EXPECT_EQ(values_of<std::uint8_t>(y), (std::vector<std::uint8_t>{255, 254, 0}));
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ops/bit_cast.hpp"

#include <gtest/gtest.h>

#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor cast(DType to, const Tensor& x) {
  return run_op(op_bit_cast(), BitCastAttributes{.to = to}, {x});
}

TEST(BitCast, keeps_the_bits) {
  EXPECT_EQ(values_of<std::int32_t>(cast(DType::i32, floats({2}, {1, -0.0f}))),
            (std::vector<std::int32_t>{0x3f800000, std::numeric_limits<std::int32_t>::min()}));
  EXPECT_EQ(values_of<std::uint16_t>(cast(DType::u16, Tensor::from<bfloat16>({}, {bfloat16(1)}))),
            (std::vector<std::uint16_t>{0x3f80}));
  // A signalling NaN too.
  const Tensor nan = Tensor::from<std::uint32_t>({1}, {0x7f800001u});
  EXPECT_TRUE(cast(DType::u32, cast(DType::f32, nan)).identical(nan));
  EXPECT_EQ(cast(DType::f64, Tensor::zeros(DType::c64, {3})).shape(), (Shape{3}));
  EXPECT_EQ(cast(DType::u8, Tensor::zeros(DType::i8, {0})).size(), 0);
}

TEST(BitCast, takes_packed_elements) {
  Tensor x = Tensor::zeros(DType::u4, {3});
  for (int i = 0; i < 3; ++i)
    store_packed(x.mutable_data(), i, 4, static_cast<std::uint8_t>(15 - i));
  EXPECT_EQ(doubles_of(cast(DType::i4, x)), (std::vector<double>{-1, -2, -3}));
}

TEST(BitCast, makes_bools_that_are_0_or_1) {
  const Tensor y = cast(DType::boolean, Tensor::from<std::uint8_t>({3}, {0, 1, 200}));
  EXPECT_TRUE(y.identical(Tensor::from<bool>({3}, {false, true, true})));
  EXPECT_EQ(values_of<std::uint8_t>(cast(DType::u8, y)), (std::vector<std::uint8_t>{0, 1, 1}));
}

TEST(BitCast, refuses_other_widths_and_strings) {
  const auto error = [](DType to, const Tensor& x) {
    return error_of(op_bit_cast(), BitCastAttributes{.to = to}, {x});
  };
  EXPECT_EQ(error(DType::f64, ramp({2})), ErrorCode::bad_type);
  EXPECT_EQ(error(DType::string, ramp({2})), ErrorCode::bad_type);
  EXPECT_EQ(error(DType::undefined, ramp({2})), ErrorCode::bad_type);
  EXPECT_EQ(error(DType::u8, Tensor::from_strings({1}, {"a"})), ErrorCode::bad_type);
  EXPECT_EQ(infer_op(op_bit_cast(), BitCastAttributes{.to = DType::i32}, {"f32[N,2]"})[0]
                .type.to_string(),
            "i32[N,2]");
}

}  // namespace
}  // namespace strop

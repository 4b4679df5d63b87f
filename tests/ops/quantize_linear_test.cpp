// SPDX-License-Identifier: Apache-2.0
#include "ops/quantize_linear.hpp"

#include "ops/dequantize_linear.hpp"
#include "ops/dynamic_quantize_linear.hpp"
#include "ops/run_op.hpp"
#include "ops/unpack_bits.hpp"

namespace strop {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor quantize(const QuantizeLinearAttributes& a, const std::vector<Tensor>& inputs) {
  return run_op(op_quantize_linear(), a, inputs);
}
Tensor dequantize(const DequantizeLinearAttributes& a, const std::vector<Tensor>& inputs) {
  return run_op(op_dequantize_linear(), a, inputs);
}

TEST(QuantizeLinear, rounds_half_to_even_and_saturates) {
  const Tensor x = floats({8}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1000, -kInf, kNan});
  EXPECT_EQ(values_of<std::int8_t>(quantize({.to = DType::i8}, {x, floats({}, {1})})),
            (std::vector<std::int8_t>{0, 2, 2, 0, -2, 127, -128, 0}));
  const Tensor zero = Tensor::from<std::uint8_t>({}, {129});
  EXPECT_EQ(values_of<std::uint8_t>(quantize({.to = DType::u8}, {x, floats({}, {0.5f}), zero})),
            (std::vector<std::uint8_t>{130, 132, 134, 128, 126, 255, 0, 129}));
  EXPECT_EQ(values_of<std::uint16_t>(
                quantize({.to = DType::u16}, {floats({2}, {40000.4f, 99999}), floats({1}, {1})})),
            (std::vector<std::uint16_t>{40000, 65535}));
}

// A division is not a multiplication by the reciprocal: 49 * (1 / 98) rounds below a half.
TEST(QuantizeLinear, divides_by_the_scale) {
  int different = 0;
  for (int k = 1; k < 2000; ++k) {
    const float s = static_cast<float>(k) * 0.001f, x = s * 2.5f;
    const auto wanted = static_cast<std::int8_t>(std::nearbyint(x / s));
    EXPECT_EQ(
        quantize({.to = DType::i8}, {floats({1}, {x}), floats({}, {s})}).values<std::int8_t>()[0],
        wanted);
    if (wanted != static_cast<std::int8_t>(std::nearbyint(x * (1.0f / s)))) ++different;
  }
  EXPECT_GT(different, 0);
}

TEST(QuantizeLinear, takes_scales_per_axis_and_per_block) {
  const Tensor x = floats({2, 3}, {10, 20, 30, 40, 50, 60});
  const auto values = [](const Tensor& t) { return values_of<std::uint8_t>(t); };
  EXPECT_EQ(values(quantize({.axis = 0}, {x, floats({2}, {10, 20})})),
            (std::vector<std::uint8_t>{1, 2, 3, 2, 2, 3}));
  EXPECT_EQ(values(quantize({.axis = -1}, {x, floats({3}, {10, 20, 5}),
                                           Tensor::from<std::uint8_t>({3}, {0, 1, 2})})),
            (std::vector<std::uint8_t>{1, 2, 8, 4, 3, 14}));
  EXPECT_EQ(values(quantize({.axis = 1, .block_size = 2}, {x, floats({2, 2}, {10, 5, 20, 30})})),
            (std::vector<std::uint8_t>{1, 2, 6, 2, 2, 2}));
  EXPECT_EQ(values(quantize({.axis = 0, .block_size = 2}, {x, floats({1, 3}, {10, 5, 20})})),
            (std::vector<std::uint8_t>{1, 4, 2, 4, 10, 3}));
  // Beyond one chunk the scales go on in step.
  const Tensor y = quantize({.axis = 1}, {ramp({3, 1000}), ramp({1000}, 100)});
  EXPECT_EQ(y.values<std::uint8_t>()[2999], 3);  // 2999 / 1099
}

TEST(QuantizeLinear, packs_and_narrows) {
  const Tensor x = floats({5}, {-9, -2.4f, 3.6f, 9, 1});
  expect_near(quantize({.to = DType::i4}, {x, floats({}, {1})}), {5}, {-8, -2, 4, 7, 1}, 0);
  expect_near(quantize({.to = DType::u4}, {x, floats({}, {1})}), {5}, {0, 0, 4, 9, 1}, 0);
  expect_near(quantize({.to = DType::f8e4m3fn}, {floats({2}, {1000, 3.3f}), floats({}, {1})}), {2},
              {448, 3.25}, 0);
  EXPECT_TRUE(std::isnan(doubles_of(quantize({.to = DType::f8e4m3fn, .saturate = false},
                                             {floats({1}, {1000}), floats({}, {1})}))[0]));
}

TEST(QuantizeLinear, reaches_all_of_two_bits) {
  const Tensor x = floats({5}, {-9, -1.5f, 0.6f, 9, 1.5f});
  expect_near(quantize({.to = DType::i2}, {x, floats({}, {1})}), {5}, {-2, -2, 1, 1, 1}, 0);
  expect_near(quantize({.to = DType::u2}, {x, floats({}, {1})}), {5}, {0, 0, 1, 3, 2}, 0);
}

TEST(QuantizeLinear, adds_a_zero_point_to_small_floats) {
  Tensor zero = Tensor::zeros(DType::f8e5m2, {});
  store_from_double(DType::f8e5m2, zero.mutable_data(), 0, 2);
  expect_near(quantize({.to = DType::f8e5m2}, {floats({2}, {3, -1}), floats({}, {0.5f}), zero}),
              {2}, {8, 0}, 0);
  zero = Tensor::zeros(DType::f4e2m1, {});
  store_from_double(DType::f4e2m1, zero.mutable_data(), 0, 1.5);
  expect_near(quantize({.to = DType::f4e2m1}, {floats({2}, {2.5f, 100}), floats({}, {1}), zero}),
              {2}, {4, 6}, 0);
}

// 1000.4 / 0.4 is 2501 in FP32; in FP16 1000.5 / 0.39990 is 2501.9, between 2500 and 2502; in BF16
// 1000 / 0.40039 is 2497.6, between 2496 and 2512.
TEST(QuantizeLinear, divides_in_the_precision_asked_for) {
  const std::vector<Tensor> inputs = {floats({1}, {1000.4f}), floats({}, {0.4f})};
  const auto quotient = [&](DType precision) {
    return quantize({.to = DType::i16, .precision = precision}, inputs).values<std::int16_t>()[0];
  };
  EXPECT_EQ(quotient(DType::f32), 2501);
  EXPECT_EQ(quotient(DType::f16), 2502);
  EXPECT_EQ(quotient(DType::bf16), 2496);
  EXPECT_EQ(
      error_of(op_quantize_linear(), QuantizeLinearAttributes{.precision = DType::f64}, inputs),
      ErrorCode::bad_type);
}

TEST(DequantizeLinear, subtracts_and_scales) {
  const Tensor x = Tensor::from<std::uint8_t>({4}, {0, 128, 129, 255});
  const Tensor zero = Tensor::from<std::uint8_t>({}, {128});
  expect_near(dequantize({}, {x, floats({}, {0.5f}), zero}), {4}, {-64, 0, 0.5, 63.5}, 0);
  expect_near(dequantize({}, {x, floats({}, {0.5f})}), {4}, {0, 64, 64.5, 127.5}, 0);
  const Tensor w = Tensor::from<std::int8_t>({2, 2}, {1, 2, 3, -4});
  expect_near(dequantize({.axis = 0}, {w, floats({2}, {10, 100})}), {2, 2}, {10, 20, 300, -400}, 0);
  expect_near(dequantize({.to = DType::f16, .axis = 1}, {w, floats({2}, {10, 100})}), {2, 2},
              {10, 200, 30, -400}, 0);
  const Tensor sums = Tensor::from<std::int32_t>({1}, {-2000000000});
  expect_near(dequantize({}, {sums, floats({}, {1})}), {1}, {-2000000000.0}, 0);
}

TEST(DequantizeLinear, undoes_quantisation_of_packed_types) {
  const Tensor x = floats({3}, {-7, 3, 5});
  const Tensor q = quantize({.to = DType::i4}, {x, floats({}, {1})});
  EXPECT_TRUE(dequantize({}, {q, floats({}, {1})}).identical(x));
}

TEST(QuantizeLinear, takes_a_list_of_one_for_a_scalar) {
  const Tensor zero = Tensor::from<std::int8_t>({1}, {3});
  EXPECT_EQ(
      quantize({.to = DType::i8}, {ramp({1}), floats({}, {1}), zero}).values<std::int8_t>()[0], 3);
  const Tensor negative = quantize({.to = DType::f8e5m2}, {floats({1}, {-0.0f}), floats({}, {1})});
  EXPECT_EQ(negative.data()[0], std::byte{0});
}

TEST(QuantizeLinear, refuses_parameters_that_do_not_fit) {
  const auto refused = [](const QuantizeLinearAttributes& a, const std::vector<Tensor>& inputs) {
    return error_of(op_quantize_linear(), a, inputs);
  };
  const Tensor x = ramp({2, 3});
  EXPECT_EQ(refused({}, {x, ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.axis = 2}, {x, ramp({3})}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.block_size = -1}, {x, ramp({})}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused({.block_size = 2}, {x, ramp({2})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.block_size = 2}, {x, ramp({2, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused({.to = DType::f32}, {x, ramp({})}), ErrorCode::bad_type);
  EXPECT_EQ(refused({.to = DType::u8}, {x, ramp({}), Tensor::zeros(DType::i8, {})}),
            ErrorCode::bad_type);
  EXPECT_EQ(refused({.to = DType::u8}, {x, ramp({3}), Tensor::zeros(DType::u8, {})}),
            ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_dequantize_linear(), DequantizeLinearAttributes{.to = DType::i8},
                     {Tensor::zeros(DType::i8, {1}), ramp({})}),
            ErrorCode::bad_type);
}

std::vector<Tensor> dynamically(const Tensor& x) {
  return run_op_many(op_dynamic_quantize_linear(), {}, {x}, 3);
}

TEST(DynamicQuantizeLinear, spans_the_range_and_zero) {
  auto y = dynamically(floats({4}, {-51, 0, 102, 204}));
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 51, 153, 255}));
  expect_near(y[1], {}, {1}, 0);
  expect_near(y[2], {}, {51}, 0);
  y = dynamically(floats({2}, {102, 510}));  // all positive: from 0 on
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{51, 255}));
  expect_near(y[1], {}, {2}, 0);
  y = dynamically(floats({1, 2}, {-510, -102}));
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 204}));
  expect_near(y[2], {}, {255}, 0);
}

TEST(DynamicQuantizeLinear, has_a_scale_where_there_is_no_range) {
  auto y = dynamically(floats({2}, {0, -0.0f}));
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 0}));
  expect_near(y[1], {}, {1}, 0);
  expect_near(dynamically(floats({0, 3}, {}))[1], {}, {1}, 0);
  y = dynamically(floats({3}, {kNan, 255, -kNan}));
  EXPECT_EQ(values_of<std::uint8_t>(y[0]), (std::vector<std::uint8_t>{0, 255, 0}));
  y = dynamically(floats({2}, {-kInf, 1}));
  EXPECT_EQ(y[1].values<float>()[0], kInf);
  EXPECT_EQ(y[2].values<std::uint8_t>()[0], 0);
}

TEST(DynamicQuantizeLinear, finds_extremes_anywhere) {
  Tensor x = Tensor::zeros(DType::f32, {300'000});
  x.mutable_values<float>()[299'999] = 200;
  x.mutable_values<float>()[150'000] = -55;
  const auto y = dynamically(x);
  expect_near(y[1], {}, {1}, 0);
  EXPECT_EQ(y[0].values<std::uint8_t>()[0], 55);
}

TEST(UnpackBits, takes_the_lowest_bits_first) {
  const Tensor x = Tensor::from<std::uint8_t>({2, 1}, {0xb1, 0x2f});
  const auto unpacked = [&](DType to) {
    return run_op(op_unpack_bits(), UnpackBitsAttributes{.to = to}, {x});
  };
  expect_near(unpacked(DType::u4), {2, 2}, {1, 11, 15, 2}, 0);
  expect_near(unpacked(DType::i4), {2, 2}, {1, -5, -1, 2}, 0);
  expect_near(unpacked(DType::u2), {2, 4}, {1, 0, 3, 2, 3, 3, 2, 0}, 0);
  expect_near(unpacked(DType::i8), {2, 1}, {-79, 47}, 0);
  const auto refused = [](DType to, const Tensor& tensor) {
    return error_of(op_unpack_bits(), UnpackBitsAttributes{.to = to}, {tensor});
  };
  EXPECT_EQ(refused(DType::f32, x), ErrorCode::bad_type);
  EXPECT_EQ(refused(DType::u4, Tensor::zeros(DType::u8, {})), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_unpack_bits(), UnpackBitsAttributes{}, {"u8[N,K]"})[0].type.to_string(),
            "u4[N,2*K]");
}

}  // namespace
}  // namespace strop

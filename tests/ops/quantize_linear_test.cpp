// SPDX-License-Identifier: Apache-2.0
#include "ops/quantize_linear.hpp"

#include "ops/dequantize_linear.hpp"
#include "ops/run_op.hpp"

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

}  // namespace
}  // namespace strop

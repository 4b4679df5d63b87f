// SPDX-License-Identifier: Apache-2.0
#include "ops/cast.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor run(const Tensor& x, DType to, bool saturate = true) {
  return run_op(op_cast(), CastAttributes{.to = to, .saturate = saturate}, {x});
}

TEST(Cast, truncates_floats_towards_zero_and_wraps) {
  const Tensor x = floats({5}, {2.9f, -2.9f, 300, kNan, kInf});
  EXPECT_EQ(values_of<std::int32_t>(run(x, DType::i32)),
            (std::vector<std::int32_t>{2, -2, 300, 0, 0}));
  EXPECT_EQ(values_of<std::uint8_t>(run(x, DType::u8)),
            (std::vector<std::uint8_t>{2, 254, 44, 0, 0}));
  EXPECT_EQ(values_of<bool>(run(floats({4}, {0, -0.0f, 0.1f, kNan}), DType::boolean)),
            (std::vector<bool>{false, false, true, true}));
  EXPECT_EQ(run(Tensor::from<double>({1}, {1e19}), DType::u64).values<std::uint64_t>()[0],
            10000000000000000000ull);
}

TEST(Cast, keeps_integers_modulo_their_width) {
  const Tensor x = Tensor::from<std::int64_t>({3}, {-1, 1ll << 40, 200});
  EXPECT_EQ(values_of<std::int32_t>(run(x, DType::i32)), (std::vector<std::int32_t>{-1, 0, 200}));
  EXPECT_EQ(values_of<std::int8_t>(run(x, DType::i8)), (std::vector<std::int8_t>{-1, 0, -56}));
  EXPECT_EQ(run(x, DType::u64).values<std::uint64_t>()[0], ~std::uint64_t{0});
  expect_near(run(x, DType::f32), {3}, {-1, 1099511627776.0, 200}, 0);
  EXPECT_EQ(values_of<std::int64_t>(run(Tensor::from<bool>({2}, {true, false}), DType::i64)),
            (std::vector<std::int64_t>{1, 0}));
}

TEST(Cast, rounds_once_to_narrow_floats) {
  // 1 + 2^-11 + 2^-40 lies above the middle between two f16; by way of f32 it would be a tie.
  const Tensor x = Tensor::from<double>({1}, {1 + 0x1p-11 + 0x1p-40});
  EXPECT_EQ(doubles_of(run(x, DType::f16))[0], 1 + 0x1p-10);
  EXPECT_EQ(doubles_of(run(floats({1}, {1 + 0x1p-8f}), DType::bf16))[0], 1.0);
}

TEST(Cast, fills_packed_and_8_bit_types) {
  const Tensor x = floats({5}, {1, -2, 7, -8, 3});
  std::vector<Datum> outputs{Tensor::allocate(DType::i4, {5})};
  std::fill_n(std::get<Tensor>(outputs[0].value).mutable_data(), 3, std::byte{0xff});
  const Datum input(x);
  const Datum* inputs[] = {&input};
  evaluate_op(op_cast(), CastAttributes{.to = DType::i4}, inputs, {}, 1, outputs);
  const Tensor packed = outputs[0].tensor();
  ASSERT_EQ(packed.bytes(), 3);
  EXPECT_EQ(packed.data()[2], std::byte{3});  // bits beyond the last element are 0
  expect_near(packed, {5}, {1, -2, 7, -8, 3}, 0);
  expect_near(run(packed, DType::f32), {5}, {1, -2, 7, -8, 3}, 0);
  const Tensor big = floats({2}, {1e6f, -0.1f});
  expect_near(run(big, DType::f8e4m3fn), {2}, {448, -0.1015625}, 0);
  EXPECT_TRUE(std::isnan(doubles_of(run(big, DType::f8e4m3fn, false))[0]));
  EXPECT_EQ(doubles_of(run(big, DType::f8e5m2, false))[0], static_cast<double>(kInf));
  expect_near(run(floats({2}, {5, -0.3f}), DType::f4e2m1), {2}, {4, -0.5}, 0);
}

TEST(Cast, reads_and_writes_strings) {
  const Tensor texts = Tensor::from_strings({6}, {"3.25", "-1e-2", "+INF", "-inf", "NaN", "7"});
  expect_near(run(texts, DType::f32), {6}, {3.25, -0.01, kInf, -kInf, kNan, 7});
  EXPECT_EQ(values_of<std::int64_t>(
                run(Tensor::from_strings({2}, {"100.5", "9007199254740993"}), DType::i64)),
            (std::vector<std::int64_t>{100, 9007199254740993}));
  const Tensor out = run(floats({5}, {0.1f, -3, kInf, kNan, 1e10f}), DType::string);
  EXPECT_EQ(values_of<std::string>(out),
            (std::vector<std::string>{"0.1", "-3", "INF", "NaN", "10000000000"}));
  EXPECT_EQ(run(Tensor::from<std::uint64_t>({1}, {~std::uint64_t{0}}), DType::string)
                .values<std::string>()[0],
            "18446744073709551615");
}

TEST(Cast, refuses_strings_that_are_no_numbers) {
  for (const char* text : {"", "abc", "1x", "0x10", "+-1", "infinity", "1 2"}) {
    EXPECT_EQ(
        error_of(op_cast(), CastAttributes{.to = DType::f32}, {Tensor::from_strings({1}, {text})}),
        ErrorCode::bad_value)
        << text;
  }
  EXPECT_EQ(error_of(op_cast(), CastAttributes{.to = DType::undefined}, {ramp({1})}),
            ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_cast(), CastAttributes{.to = DType::c64}, {ramp({1})}),
            ErrorCode::bad_type);
}

TEST(Cast, keeps_symbolic_contents_that_fit) {
  const Dim n = Dim::symbol("N");
  const auto cast = [](DType to, const char* type, const Dim& dim) {
    return infer_op(op_cast(), CastAttributes{.to = to}, {type}, 1, {{dim}})[0].elements;
  };
  EXPECT_EQ((*cast(DType::i32, "i64[1]", n))[0], n);
  EXPECT_FALSE(cast(DType::i32, "i64[1]", Dim(std::int64_t{1} << 40)));
  EXPECT_FALSE(cast(DType::f32, "i64[1]", n));
}

}  // namespace
}  // namespace strop

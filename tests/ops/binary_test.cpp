// SPDX-License-Identifier: Apache-2.0
#include "ops/binary.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

using B = BinaryFunction;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

Tensor run(B function, const Tensor& a, const Tensor& b) {
  return run_op(op_binary(), BinaryAttributes{function}, {a, b});
}
Tensor ints(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}
ErrorCode refused(B function, const Tensor& a, const Tensor& b) {
  return error_of(op_binary(), BinaryAttributes{function}, {a, b});
}

TEST(Binary, computes_each_arithmetic_function) {
  const Tensor a = floats({4}, {7, -7, 2, 0}), b = floats({4}, {2, 2, -3, 5});
  expect_near(run(B::add, a, b), {4}, {9, -5, -1, 5});
  expect_near(run(B::sub, a, b), {4}, {5, -9, 5, -5});
  expect_near(run(B::mul, a, b), {4}, {14, -14, -6, 0});
  expect_near(run(B::div, a, b), {4}, {3.5, -3.5, -2.0 / 3, 0});
  expect_near(run(B::pow, a, b), {4}, {49, 49, 0.125, 0});
  expect_near(run(B::fmod, a, b), {4}, {1, -1, 2, 0});
  expect_near(run(B::min, a, b), {4}, {2, -7, -3, 0});
  expect_near(run(B::max, a, b), {4}, {7, 2, 2, 5});
  expect_near(run(B::prelu, a, b), {4}, {7, -14, 2, 0});
}

TEST(Binary, propagates_nan_through_min_and_max) {
  const Tensor a = floats({2}, {kNan, 1}), b = floats({2}, {1, kNan});
  expect_near(run(B::min, a, b), {2}, {kNan, kNan});
  expect_near(run(B::max, a, b), {2}, {kNan, kNan});
}

TEST(Binary, integer_division_truncates_and_modulo_has_the_divisors_sign) {
  const Tensor a = ints({7, -7, 7, -7, kLowest}), b = ints({2, 2, -2, -2, -1});
  EXPECT_EQ(values_of<std::int64_t>(run(B::div, a, b)),
            (std::vector<std::int64_t>{3, -3, -3, 3, kLowest}));
  EXPECT_EQ(values_of<std::int64_t>(run(B::mod, a, b)),
            (std::vector<std::int64_t>{1, 1, -1, -1, 0}));
  EXPECT_EQ(values_of<std::int64_t>(run(B::fmod, a, b)),
            (std::vector<std::int64_t>{1, -1, 1, -1, 0}));
  EXPECT_EQ(values_of<std::int8_t>(run(B::div, Tensor::from<std::int8_t>({1}, {-128}),
                                       Tensor::from<std::int8_t>({1}, {-1})))[0],
            -128);
}

TEST(Binary, refuses_integer_division_by_zero) {
  for (B function : {B::div, B::mod, B::fmod}) {
    EXPECT_EQ(refused(function, ints({1}), ints({0})), ErrorCode::bad_value);
    EXPECT_EQ(refused(function, Tensor::from<std::uint8_t>({1}, {1}),
                      Tensor::from<std::uint8_t>({1}, {0})),
              ErrorCode::bad_value);
  }
  EXPECT_EQ(refused(B::pow, ints({0}), ints({-1})), ErrorCode::bad_value);
}

TEST(Binary, wraps_integers) {
  EXPECT_EQ(run(B::add, ints({kLowest}), ints({-1})).values<std::int64_t>()[0],
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(run(B::mul, ints({kLowest}), ints({3})).values<std::int64_t>()[0], kLowest);
  EXPECT_EQ(
      run(B::add, Tensor::from<std::uint8_t>({1}, {200}), Tensor::from<std::uint8_t>({1}, {100}))
          .values<std::uint8_t>()[0],
      44);
  EXPECT_EQ(run(B::pow, Tensor::from<std::int32_t>({1}, {3}), Tensor::from<std::int32_t>({1}, {40}))
                .values<std::int32_t>()[0],
            static_cast<std::int32_t>(12157665459056928801ull));
}

TEST(Binary, power_takes_mixed_types) {
  const Tensor y = run(B::pow, floats({2}, {2, 3}), ints({3, -1}));
  EXPECT_EQ(y.dtype(), DType::f32);
  expect_near(y, {2}, {8, 1.0 / 3}, 1e-6);
  const Tensor z = run(B::pow, ints({9, 2}), floats({2}, {0.5, 10}));
  EXPECT_EQ(values_of<std::int64_t>(z), (std::vector<std::int64_t>{3, 1024}));
  EXPECT_EQ(refused(B::add, floats({1}, {1}), ints({1})), ErrorCode::bad_type);
}

TEST(Binary, compares_to_bool) {
  const Tensor a = floats({3}, {1, 2, kNan}), b = floats({3}, {2, 2, kNan});
  EXPECT_EQ(values_of<bool>(run(B::equal, a, b)), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(values_of<bool>(run(B::less, a, b)), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(values_of<bool>(run(B::less_or_equal, a, b)), (std::vector<bool>{true, true, false}));
  EXPECT_EQ(values_of<bool>(run(B::greater, b, a)), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(values_of<bool>(run(B::greater_or_equal, a, b)),
            (std::vector<bool>{false, true, false}));
  const auto big = Tensor::from<std::uint64_t>({1}, {std::uint64_t{1} << 63});
  EXPECT_TRUE(run(B::greater, big, Tensor::from<std::uint64_t>({1}, {1})).values<bool>()[0]);
  EXPECT_EQ(values_of<bool>(run(B::equal, Tensor::from_strings({2}, {"a", "b"}),
                                Tensor::from_strings({1}, {"b"}))),
            (std::vector<bool>{false, true}));
}

TEST(Binary, computes_bits_and_logic) {
  const Tensor a = Tensor::from<bool>({4}, {true, true, false, false});
  const Tensor b = Tensor::from<bool>({4}, {true, false, true, false});
  EXPECT_EQ(values_of<bool>(run(B::logical_and, a, b)),
            (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(values_of<bool>(run(B::logical_or, a, b)),
            (std::vector<bool>{true, true, true, false}));
  EXPECT_EQ(values_of<bool>(run(B::logical_xor, a, b)),
            (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(values_of<std::int64_t>(run(B::bitwise_and, ints({-2}), ints({7})))[0], 6);
  EXPECT_EQ(values_of<std::int64_t>(run(B::bitwise_or, ints({-2}), ints({7})))[0], -1);
  EXPECT_EQ(values_of<std::int64_t>(run(B::bitwise_xor, ints({5}), ints({7})))[0], 2);
  const auto bytes = [](std::vector<std::uint8_t> v) { return Tensor::from<std::uint8_t>({3}, v); };
  EXPECT_EQ(values_of<std::uint8_t>(run(B::bit_shift_left, bytes({1, 255, 1}), bytes({3, 1, 200}))),
            (std::vector<std::uint8_t>{8, 254, 0}));
  EXPECT_EQ(values_of<std::uint8_t>(run(B::bit_shift_right, bytes({8, 255, 1}), bytes({3, 1, 64}))),
            (std::vector<std::uint8_t>{1, 127, 0}));
}

TEST(Binary, broadcasts_from_both_sides) {
  expect_near(run(B::sub, floats({2, 1}, {10, 20}), floats({3}, {1, 2, 3})), {2, 3},
              {9, 8, 7, 19, 18, 17});
  expect_near(run(B::add, floats({}, {1}), floats({2, 1, 2}, {1, 2, 3, 4})), {2, 1, 2},
              {2, 3, 4, 5});
  // Per channel, with runs that end within and beyond a chunk.
  const Tensor y = run(B::add, ramp({2, 3, 700}), floats({3, 1}, {0.25, 0.5, 0.75}));
  EXPECT_EQ(y.values<float>()[2 * 700], 1400.75f);
  EXPECT_EQ(y.values<float>()[4 * 700 + 699], 3499.5f);
  EXPECT_EQ(run(B::add, floats({0, 3}, {}), floats({1, 3}, {1, 2, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(run(B::add, floats({0, 3}, {}), floats({1}, {1})).shape(), (Shape{0, 3}));
}

TEST(Binary, matches_index_arithmetic_on_mixed_broadcasts) {
  const Tensor a = ramp({2, 1, 4, 1, 3}), b = ramp({5, 1, 2, 1}, 0.5f);
  const Tensor y = run(B::mul, a, b);
  ASSERT_EQ(y.shape(), (Shape{2, 5, 4, 2, 3}));
  std::size_t at = 0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 5; ++j)
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 2; ++l)
          for (int m = 0; m < 3; ++m)
            EXPECT_EQ(y.values<float>()[at++], static_cast<float>(i * 12 + k * 3 + m) *
                                                   (static_cast<float>(j * 2 + l) + 0.5f));
}

TEST(Binary, refuses_shapes_and_types_that_do_not_fit) {
  EXPECT_EQ(refused(B::add, floats({2}, {1, 2}), floats({3}, {1, 2, 3})), ErrorCode::bad_shape);
  EXPECT_EQ(refused(B::bit_shift_left, ints({1}), ints({1})), ErrorCode::bad_type);
  EXPECT_EQ(refused(B::mod, floats({1}, {1}), floats({1}, {1})), ErrorCode::bad_type);
  EXPECT_EQ(refused(B::logical_and, ints({1}), ints({1})), ErrorCode::bad_type);
}

TEST(Binary, keeps_symbolic_contents) {
  const Dim n = Dim::symbol("N");
  const auto elements = [&](B function, const Dim& a, const Dim& b) {
    return infer_op(op_binary(), BinaryAttributes{function}, {"i64[1]", "i64[1]"}, 1, {{a}, {b}})[0]
        .elements;
  };
  EXPECT_EQ((*elements(B::mul, n, 4))[0], n * Dim(4));
  EXPECT_EQ((*elements(B::add, n, 4))[0], n + Dim(4));
  EXPECT_EQ((*elements(B::div, n * n, 4))[0], floordiv(n * n, 4));
  EXPECT_EQ((*elements(B::div, -7, 2))[0], Dim(-3));
  EXPECT_FALSE(elements(B::div, n - Dim(5), 2));  // may be negative
  EXPECT_FALSE(elements(B::div, n, 0));
  EXPECT_FALSE(elements(B::add, kLowest, -1));  // wraps in the kernel
  EXPECT_EQ((*elements(B::equal, n, -1))[0], Dim(0));
  EXPECT_FALSE(elements(B::equal, n, 3));
}

TEST(Binary, knows_which_functions_commute) {
  EXPECT_TRUE(is_commutative(B::add));
  EXPECT_FALSE(is_commutative(B::sub));
  EXPECT_FALSE(is_commutative(B::max));  // of -0 and 0 one is taken
}

}  // namespace
}  // namespace strop

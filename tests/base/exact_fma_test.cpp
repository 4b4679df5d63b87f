// SPDX-License-Identifier: Apache-2.0
#include "base/exact_fma.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>

#include "base/os/cpu_features.hpp"

namespace strop {
namespace {

#if defined(__x86_64__)
// The processor's instruction, whatever this file is compiled for.
__attribute__((target("fma"))) float hardware_fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
#endif

TEST(ExactFma, rounds_once_where_two_roundings_would_differ) {
  // a * b = 1 + 2^-11 + 2^-24 lies a hair above the middle between two floats once c is added.
  const float a = 1.0f + 0x1p-12f;
  EXPECT_EQ(exact_fma_emulated(a, a, 0x1p-60f), 1.0f + 0x1p-11f + 0x1p-23f);
  EXPECT_EQ(exact_fma_emulated(a, a, -0x1p-60f), 1.0f + 0x1p-11f);
  EXPECT_EQ(exact_fma_emulated(a, a, 0.0f), 1.0f + 0x1p-11f);  // a tie goes to even
}

TEST(ExactFma, keeps_zeros_infinities_and_nan) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(exact_fma_emulated(2.0f, 3.0f, -6.0f), 0.0f);
  EXPECT_EQ(exact_fma_emulated(infinity, 1.0f, 1.0f), infinity);
  EXPECT_EQ(exact_fma_emulated(3e38f, 10.0f, 0.0f), infinity);
  EXPECT_TRUE(std::isnan(exact_fma_emulated(infinity, 0.0f, 1.0f)));
  EXPECT_TRUE(std::isnan(exact_fma_emulated(infinity, 1.0f, -infinity)));
}

#if defined(__x86_64__)
TEST(ExactFma, equals_the_processor_on_random_numbers_of_every_size) {
  if (!os::cpu_features().fma) GTEST_SKIP() << "this processor has no FMA";
  std::mt19937 random(3);
  const auto bits = [&] { return static_cast<std::uint32_t>(random()); };
  const auto any = [&] { return std::bit_cast<float>(bits()); };
  // Numbers that nearly cancel, and sums near the middle between two floats.
  const auto near = [&](float x) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) ^ (bits() & 0x7u));
  };
  for (int i = 0; i < 2'000'000; ++i) {
    const float a = any(), b = any();
    const float c = i % 3 == 0 ? any() : i % 3 == 1 ? near(-a * b) : near(a) * 0x1p-20f;
    const float wanted = hardware_fma(a, b, c);
    const float got = exact_fma_emulated(a, b, c);
    if (std::isnan(wanted)) {
      ASSERT_TRUE(std::isnan(got)) << a << " * " << b << " + " << c;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(wanted))
          << a << " * " << b << " + " << c;
    }
  }
}
#endif

}  // namespace
}  // namespace strop

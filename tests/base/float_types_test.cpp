// SPDX-License-Identifier: Apache-2.0
// Narrow floats against an oracle that looks for the nearest value in the sorted list of all values
// of a type, and against values that ml_dtypes gives.
#include "base/float_types.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// One type behind integer codes.
struct Narrow {
  DType type;
  int bits;
  int max;  // code of the largest finite value
};

constexpr Narrow kTypes[] = {
    {DType::f16, 16, 0x7bff},     {DType::bf16, 16, 0x7f7f}, {DType::f8e4m3fn, 8, 0x7e},
    {DType::f8e4m3fnuz, 8, 0x7f}, {DType::f8e5m2, 8, 0x7b},  {DType::f8e5m2fnuz, 8, 0x7f},
    {DType::f4e2m1, 4, 0x7},
};

float decode(const Narrow& narrow, int code) {
  if (narrow.type == DType::f16) return f16_to_f32(static_cast<std::uint16_t>(code));
  if (narrow.type == DType::bf16) return bf16_to_f32(static_cast<std::uint16_t>(code));
  return small_float_to_f32(narrow.type, static_cast<std::uint8_t>(code));
}

int encode(const Narrow& narrow, float value, bool saturate = true) {
  if (narrow.type == DType::f16) return f32_to_f16(value);
  if (narrow.type == DType::bf16) return f32_to_bf16(value);
  return f32_to_small_float(narrow.type, value, saturate);
}

int store_and_take(const Narrow& narrow, double value) {
  std::byte memory[2] = {};
  store_from_double(narrow.type, memory, 0, value);
  const int code = std::to_integer<int>(memory[0]) | (std::to_integer<int>(memory[1]) << 8);
  return code & ((1 << narrow.bits) - 1);
}

// The code of the finite value nearest to `magnitude` >= 0, even on a tie; max + 1 where it lies
// past the largest one.
class Oracle {
 public:
  explicit Oracle(const Narrow& narrow) {
    for (int code = 0; code <= narrow.max; ++code)
      values_.push_back(static_cast<double>(decode(narrow, code)));
    const std::size_t n = values_.size();
    values_.push_back(values_[n - 1] + (values_[n - 1] - values_[n - 2]));
  }
  int nearest(double magnitude) const {
    const auto above = std::upper_bound(values_.begin(), values_.end(), magnitude);
    if (above == values_.end()) return static_cast<int>(values_.size()) - 1;
    const int low = static_cast<int>(above - values_.begin()) - 1;
    const double middle = midpoint(low);
    if (magnitude < middle) return low;
    if (magnitude > middle) return low + 1;
    return low % 2 == 0 ? low : low + 1;
  }
  double midpoint(int low) const {  // exact: the values have few bits
    return (values_[static_cast<std::size_t>(low)] + values_[static_cast<std::size_t>(low) + 1]) /
           2;
  }
  const std::vector<double>& values() const { return values_; }

 private:
  std::vector<double> values_;
};

int expected_code(const Narrow& narrow, const Oracle& oracle, double value, bool saturate) {
  int code = oracle.nearest(std::fabs(value));
  const int sign = std::signbit(value) ? 1 << (narrow.bits - 1) : 0;
  const bool one_zero = narrow.type == DType::f8e4m3fnuz || narrow.type == DType::f8e5m2fnuz;
  if (code > narrow.max) {
    if (narrow.bits == 4 || (narrow.bits == 8 && saturate)) {
      code = narrow.max;
    } else if (one_zero) {
      return 0x80;
    }  // else the code after the largest finite one: infinity, or the NaN of f8e4m3fn
  }
  if (one_zero && code == 0) return 0;
  return code | sign;
}

TEST(FloatTypes, every_code_returns_unchanged) {
  for (const Narrow& narrow : kTypes) {
    for (int code = 0; code < (1 << narrow.bits); ++code) {
      const float value = decode(narrow, code);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(decode(narrow, encode(narrow, value))))
            << to_string(narrow.type) << " " << code;
        continue;
      }
      if (std::isinf(value) && narrow.bits == 8) {
        EXPECT_EQ(encode(narrow, value, false), code);
        continue;
      }
      ASSERT_EQ(encode(narrow, value), code) << to_string(narrow.type) << " value " << value;
    }
  }
}

TEST(FloatTypes, values_grow_with_their_codes) {
  for (const Narrow& narrow : kTypes) {
    const Oracle oracle(narrow);
    const auto& values = oracle.values();
    ASSERT_EQ(std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()),
              values.end())
        << to_string(narrow.type);
  }
}

TEST(FloatTypes, rounds_half_to_even_around_every_midpoint) {
  for (const Narrow& narrow : kTypes) {
    const Oracle oracle(narrow);
    for (int code = 0; code <= narrow.max; ++code) {
      const double middle = oracle.midpoint(code);
      for (const double value :
           {std::nextafter(middle, 0.0), middle, std::nextafter(middle, 1e300)}) {
        for (const double signed_value : {value, -value}) {
          ASSERT_EQ(store_and_take(narrow, signed_value),
                    expected_code(narrow, oracle, signed_value, true))
              << to_string(narrow.type) << " from f64 " << signed_value;
        }
      }
      const auto single = static_cast<float>(middle);
      for (const float value :
           {std::nextafter(single, 0.0f), single, std::nextafter(single, kInf)}) {
        for (const bool saturate : {false, true}) {
          ASSERT_EQ(encode(narrow, -value, saturate),
                    expected_code(narrow, oracle, -static_cast<double>(value), saturate))
              << to_string(narrow.type) << " from f32 " << value << " saturate " << saturate;
        }
      }
    }
  }
}

TEST(FloatTypes, agrees_with_the_oracle_on_random_numbers) {
  std::mt19937_64 random(7);
  for (const Narrow& narrow : kTypes) {
    const Oracle oracle(narrow);
    for (int i = 0; i < 100000; ++i) {
      const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
      if (std::isfinite(value)) {
        for (const bool saturate : {false, true}) {
          ASSERT_EQ(encode(narrow, value, saturate), expected_code(narrow, oracle, value, saturate))
              << to_string(narrow.type) << " " << value;
        }
      }
      // Exponents where the type has values, and a little beyond.
      const double wide = std::ldexp(1.0 + static_cast<double>(random() >> 12) * 0x1p-52,
                                     static_cast<int>(random() % 64) - 32);
      ASSERT_EQ(store_and_take(narrow, wide), expected_code(narrow, oracle, wide, true))
          << to_string(narrow.type) << " " << wide;
    }
  }
}

TEST(FloatTypes, agrees_with_ml_dtypes) {
  struct Case {
    DType type;
    float value;
    int code;
  };
  const Case cases[] = {
      {DType::f8e4m3fn, 0.1f, 0x1d},       {DType::f8e4m3fn, -3.3f, 0xc5},
      {DType::f8e4m3fn, 464.0f, 0x7e},     {DType::f8e4m3fn, 465.0f, 0x7f},
      {DType::f8e4m3fn, 0x1p-10f, 0},      {DType::f8e4m3fnuz, 0.1f, 0x25},
      {DType::f8e4m3fnuz, -3.3f, 0xcd},    {DType::f8e4m3fnuz, 248.0f, 0x80},
      {DType::f8e4m3fnuz, 247.9f, 0x7f},   {DType::f8e4m3fnuz, 0x1p-10f, 1},
      {DType::f8e5m2, 0.1f, 0x2e},         {DType::f8e5m2, -3.3f, 0xc3},
      {DType::f8e5m2, 61439.0f, 0x7b},     {DType::f8e5m2, 61440.0f, 0x7c},
      {DType::f8e5m2fnuz, 0.1f, 0x32},     {DType::f8e5m2fnuz, 61439.0f, 0x7f},
      {DType::f8e5m2fnuz, 61440.0f, 0x80}, {DType::f4e2m1, -3.3f, 0xd},
      {DType::f4e2m1, 17.0f, 0x7},         {DType::f4e2m1, 0.1f, 0x0},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(f32_to_small_float(c.type, c.value, false), c.code)
        << to_string(c.type) << " " << c.value;
  }
  EXPECT_EQ(small_float_to_f32(DType::f8e4m3fn, 0x31), 0.5625f);
  EXPECT_EQ(small_float_to_f32(DType::f8e4m3fn, 0x07), 0.013671875f);
  EXPECT_EQ(small_float_to_f32(DType::f8e4m3fnuz, 0x77), 120.0f);
  EXPECT_EQ(small_float_to_f32(DType::f8e4m3fnuz, 0xc2), -1.25f);
  EXPECT_EQ(small_float_to_f32(DType::f8e5m2, 0x45), 5.0f);
  EXPECT_EQ(small_float_to_f32(DType::f8e5m2fnuz, 0x01), 7.62939453125e-06f);
  const float e2m1[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    const float value = small_float_to_f32(DType::f4e2m1, static_cast<std::uint8_t>(code));
    EXPECT_EQ(value, code < 8 ? e2m1[code] : -e2m1[code - 8]);
    EXPECT_EQ(std::signbit(value), code >= 8);
  }
}

// The two tables of ONNX Cast.
TEST(FloatTypes, special_values_follow_the_tables_of_cast) {
  struct Row {
    float value;
    int e4m3fn, e4m3fnuz, e5m2, e5m2fnuz;
  };
  const auto check = [](const Row& row, bool saturate) {
    EXPECT_EQ(f32_to_small_float(DType::f8e4m3fn, row.value, saturate), row.e4m3fn)
        << row.value << saturate;
    EXPECT_EQ(f32_to_small_float(DType::f8e4m3fnuz, row.value, saturate), row.e4m3fnuz)
        << row.value << saturate;
    EXPECT_EQ(f32_to_small_float(DType::f8e5m2, row.value, saturate), row.e5m2)
        << row.value << saturate;
    EXPECT_EQ(f32_to_small_float(DType::f8e5m2fnuz, row.value, saturate), row.e5m2fnuz)
        << row.value << saturate;
  };
  for (const bool saturate : {false, true}) {
    check({0.0f, 0, 0, 0, 0}, saturate);
    check({-0.0f, 0x80, 0, 0x80, 0}, saturate);
    check({kNan, 0x7f, 0x80, 0x7e, 0x80}, saturate);
    check({-kNan, 0xff, 0x80, 0xfe, 0x80}, saturate);
  }
  check({kInf, 0x7e, 0x7f, 0x7b, 0x7f}, true);
  check({-kInf, 0xfe, 0xff, 0xfb, 0xff}, true);
  check({1e6f, 0x7e, 0x7f, 0x7b, 0x7f}, true);
  check({-1e6f, 0xfe, 0xff, 0xfb, 0xff}, true);
  check({kInf, 0x7f, 0x80, 0x7c, 0x80}, false);
  check({-kInf, 0xff, 0x80, 0xfc, 0x80}, false);
  check({1e6f, 0x7f, 0x80, 0x7c, 0x80}, false);
  check({-1e6f, 0xff, 0x80, 0xfc, 0x80}, false);
  for (const bool saturate : {false, true}) {
    EXPECT_EQ(f32_to_small_float(DType::f4e2m1, kInf, saturate), 0x7);
    EXPECT_EQ(f32_to_small_float(DType::f4e2m1, -kInf, saturate), 0xf);
    EXPECT_EQ(f32_to_small_float(DType::f4e2m1, kNan, saturate), 0x7);
    EXPECT_EQ(f32_to_small_float(DType::f4e2m1, -kNan, saturate), 0x7);
  }
}

TEST(FloatTypes, e8m0_follows_the_table_of_cast) {
  using enum E8m0Rounding;
  EXPECT_EQ(small_float_to_f32(DType::f8e8m0, 0), 0x1p-127f);
  EXPECT_EQ(small_float_to_f32(DType::f8e8m0, 127), 1.0f);
  EXPECT_EQ(small_float_to_f32(DType::f8e8m0, 254), 0x1p127f);
  EXPECT_TRUE(std::isnan(small_float_to_f32(DType::f8e8m0, 255)));
  for (int code = 0; code < 255; ++code) {
    const float value = small_float_to_f32(DType::f8e8m0, static_cast<std::uint8_t>(code));
    for (const E8m0Rounding rounding : {up, down, nearest}) {
      ASSERT_EQ(f32_to_f8e8m0(value, rounding, true), code);
      ASSERT_EQ(f32_to_f8e8m0(value, rounding, false), code);
      if (code == 254) continue;
      ASSERT_EQ(f32_to_f8e8m0(value * 1.25f, rounding), code + (rounding == up ? 1 : 0)) << code;
      ASSERT_EQ(f32_to_f8e8m0(value * 1.5f, rounding), code + (rounding == down ? 0 : 1)) << code;
    }
  }
  EXPECT_EQ(f32_to_f8e8m0(0.0f, up, true), 0);
  EXPECT_EQ(f32_to_f8e8m0(0.0f, nearest, false), 0xff);
  EXPECT_EQ(f32_to_f8e8m0(kNan, up, true), 0xff);
  EXPECT_EQ(f32_to_f8e8m0(kNan, nearest, false), 0xff);
  EXPECT_EQ(f32_to_f8e8m0(kInf, up, true), 254);
  EXPECT_EQ(f32_to_f8e8m0(kInf, nearest, false), 0xff);
  EXPECT_EQ(f32_to_f8e8m0(0x1.8p127f, up, true), 254);
  EXPECT_EQ(f32_to_f8e8m0(0x1.8p127f, nearest, false), 0xff);
  EXPECT_EQ(f32_to_f8e8m0(0x1p-128f, up, true), 0);
  EXPECT_EQ(f32_to_f8e8m0(0x1p-128f, nearest, false), 0xff);
  EXPECT_EQ(f32_to_small_float(DType::f8e8m0, 3.0f), 129);
}

TEST(FloatTypes, nan_stays_quiet_nan_with_its_sign) {
  const auto signalling = std::bit_cast<float>(0x7f800001u);
  EXPECT_EQ(f32_to_f16(signalling), 0x7e00);
  EXPECT_EQ(f32_to_bf16(signalling), 0x7fc0);
  EXPECT_EQ(f32_to_f16(std::bit_cast<float>(0xffc00000u)), 0xfe00);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0xffc00000u)), 0xffc0);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(f16_to_f32(0x7c01)), 0x7fc02000u);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(bf16_to_f32(0xff81)), 0xffc10000u);
}

TEST(FloatTypes, double_rounds_once) {
  // Through the nearest float this would be the tie 1 + 2^-11 and round down.
  std::byte memory[2];
  store_from_double(DType::f16, memory, 0, 1.0 + 0x1p-11 + 0x1p-40);
  EXPECT_EQ(load_as_double(DType::f16, memory, 0), 1.0 + 0x1p-10);
  store_from_double(DType::f16, memory, 0, 1e300);
  EXPECT_EQ(load_as_double(DType::f16, memory, 0), static_cast<double>(kInf));
  store_from_double(DType::f16, memory, 0, -1e-300);
  EXPECT_TRUE(std::signbit(load_as_double(DType::f16, memory, 0)));
}

TEST(FloatTypes, packed_elements_lie_from_the_low_bits) {
  std::byte memory[2] = {};
  store_packed(memory, 0, 4, 0x1);
  store_packed(memory, 1, 4, 0x2);
  store_packed(memory, 2, 4, 0xff);
  EXPECT_EQ(std::to_integer<int>(memory[0]), 0x21);
  EXPECT_EQ(std::to_integer<int>(memory[1]), 0x0f);
  EXPECT_EQ(load_packed(memory, 1, 4), 2);
  std::byte two_bits{};
  for (int i = 0; i < 4; ++i) store_packed(&two_bits, i, 2, static_cast<std::uint8_t>(i));
  EXPECT_EQ(std::to_integer<int>(two_bits), 0b11100100);
  store_packed(&two_bits, 3, 2, 0);
  EXPECT_EQ(std::to_integer<int>(two_bits), 0b00100100);
}

TEST(FloatTypes, every_numeric_type_keeps_small_integers) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (!kPlain.contains(info.type) || kComplex.contains(info.type)) continue;
    std::byte memory[8 * 8] = {};
    const bool is_signed = info.kind == DTypeKind::signed_int ||
                           (info.kind == DTypeKind::floating && info.type != DType::f8e8m0);
    for (int index = 7; index >= 0; --index) {
      const double value = is_signed && index % 2 == 1 ? -1.0 : 1.0;
      store_from_double(info.type, memory, index, value);
    }
    for (int index = 0; index < 8; ++index) {
      EXPECT_EQ(load_as_double(info.type, memory, index), is_signed && index % 2 == 1 ? -1.0 : 1.0)
          << info.name;
    }
  }
  std::byte memory[16] = {};
  EXPECT_THROW(load_as_double(DType::c64, memory, 0), Error);
  EXPECT_THROW(store_from_double(DType::string, memory, 0, 1), Error);
}

TEST(FloatTypes, integers_truncate_and_wrap) {
  const auto stored = [](DType type, double value) {
    std::byte memory[8] = {};
    store_from_double(type, memory, 0, value);
    return load_as_double(type, memory, 0);
  };
  EXPECT_EQ(stored(DType::i8, -1.9), -1);
  EXPECT_EQ(stored(DType::i8, 200), -56);
  EXPECT_EQ(stored(DType::u8, -1), 255);
  EXPECT_EQ(stored(DType::u8, 257.5), 1);
  EXPECT_EQ(stored(DType::i4, 9), -7);
  EXPECT_EQ(stored(DType::u4, -1), 15);
  EXPECT_EQ(stored(DType::i2, 3), -1);
  EXPECT_EQ(stored(DType::u2, 5), 1);
  EXPECT_EQ(stored(DType::u64, 0x1p63), 0x1p63);
  EXPECT_EQ(stored(DType::i64, 0x1p63), -0x1p63);
  EXPECT_EQ(stored(DType::i64, -0x1p63), -0x1p63);
  EXPECT_EQ(stored(DType::i32, 0x1p64), 0);
  EXPECT_EQ(stored(DType::i32, -0x1p63 - 0x1p11), -2048);
  EXPECT_EQ(stored(DType::u64, -0x1p63 - 0x1p11), 0x1p63 - 0x1p11);
  EXPECT_EQ(stored(DType::i32, std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(stored(DType::i64, -std::numeric_limits<double>::infinity()), 0);
  EXPECT_EQ(stored(DType::boolean, 0.25), 1);
  EXPECT_EQ(stored(DType::boolean, -0.0), 0);
}

}  // namespace
}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Narrow floating-point types as storage with exact conversion to float and round-half-even
// conversion from it, and element access by DType for the types that have no C++ type of their own
// (FP8, FP4, INT4, INT2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.hpp"

namespace strop {

float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

struct float16 {
  std::uint16_t bits = 0;
  float16() = default;
  explicit float16(float value) : bits(f32_to_f16(value)) {}
  explicit operator float() const { return f16_to_f32(bits); }
};

struct bfloat16 {
  std::uint16_t bits = 0;
  bfloat16() = default;
  explicit bfloat16(float value) : bits(f32_to_bf16(value)) {}
  explicit operator float() const { return bf16_to_f32(bits); }
};

static_assert(sizeof(float16) == 2 && sizeof(bfloat16) == 2);

// One 8-bit or 4-bit float by its bits. `saturate`: values out of range go to the largest finite
// one instead of infinity or NaN (ONNX Cast's attribute; the default of the standard is to
// saturate). The tables of Cast-24 hold: there infinity saturates in the "fnuz" types too, where
// Cast-19 to Cast-23 make it NaN. FP4 always saturates and turns NaN into 6. f8e8m0 rounds up here.
float small_float_to_f32(DType type, std::uint8_t bits);
std::uint8_t f32_to_small_float(DType type, float value, bool saturate = true);

// ONNX Cast's round_mode: away from zero; toward zero; to the nearest value, halfway up.
enum class E8m0Rounding : std::uint8_t { up, down, nearest };
// A power of two from 2^-127 to 2^127, or NaN (255). The sign is ignored, as the type has none.
// Without `saturate` all that lies outside that range, zero included, is NaN.
std::uint8_t f32_to_f8e8m0(float value, E8m0Rounding rounding, bool saturate = true);

// To float by rounding to odd: a further rounding to a type of at most 22 significant bits (f16,
// bf16, FP8, FP4) then gives what one rounding from double would have given.
float f64_to_f32_odd(double value);

// Bits of element `index` of a packed sub-byte array, zero-extended; and the inverse.
std::uint8_t load_packed(const std::byte* data, std::int64_t index, int bits);
void store_packed(std::byte* data, std::int64_t index, int bits, std::uint8_t value);

// Element `index` of an array of any numeric plain type (not complex), as double. i64 and u64 lose
// bits above 2^53.
double load_as_double(DType type, const std::byte* data, std::int64_t index);
// Rounds once, half to even, into narrower floats (FP8 and FP4 saturate, f8e8m0 rounds up);
// truncates toward zero into integers (wraps modulo 2^bits; NaN and infinity give 0); bool is
// whether the value is other than 0.
void store_from_double(DType type, std::byte* data, std::int64_t index, double value);

}  // namespace strop

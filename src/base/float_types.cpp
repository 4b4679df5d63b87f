// SPDX-License-Identifier: Apache-2.0
// All conversions work on bits, so that they give the same result on every machine and under every
// rounding mode.
#include "base/float_types.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.hpp"

namespace strop {

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {
    const std::uint32_t quiet = magnitude > 0x7c00u ? 0x00400000u : 0u;
    return std::bit_cast<float>(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13) | quiet);
  }
  if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
  const float value = static_cast<float>(magnitude) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: quiet, with what fits of its payload
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u)
    return static_cast<std::uint16_t>(sign | 0x7c00u);  // from 65520 on: infinity
  if (magnitude < 0x38800000u) {                        // below 2^-14: subnormal
    if (magnitude < 0x33000000u) return static_cast<std::uint16_t>(sign);  // below 2^-25: zero
    const std::uint32_t shift = 126u - (magnitude >> 23);
    const std::uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t odd = (significand >> shift) & 1u;
    return static_cast<std::uint16_t>(sign |
                                      ((significand + (1u << (shift - 1)) - 1u + odd) >> shift));
  }
  magnitude += 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((magnitude - (112u << 23)) >> 13));
}

float bf16_to_f32(std::uint16_t bits) {
  std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  if ((wide & 0x7fffffffu) > 0x7f800000u) wide |= 0x00400000u;
  return std::bit_cast<float>(wide);
}

std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

namespace {

// A format of sign, exponent and `mantissa` bits in which bigger magnitudes have bigger codes.
struct SmallFormat {
  int width;      // bits
  int mantissa;   // bits of it
  int bias;       // of the exponent
  int max;        // code of the largest finite value
  int infinity;   // code of what overflows without saturation
  int nan;        // code of NaN
  bool one_zero;  // the "fnuz" types: what would be -0 is the only NaN
};

constexpr SmallFormat kE4m3fn{8, 3, 7, 0x7e, 0x7f, 0x7f, false};
constexpr SmallFormat kE4m3fnuz{8, 3, 8, 0x7f, 0x80, 0x80, true};
constexpr SmallFormat kE5m2{8, 2, 15, 0x7b, 0x7c, 0x7e, false};
constexpr SmallFormat kE5m2fnuz{8, 2, 16, 0x7f, 0x80, 0x80, true};
constexpr SmallFormat kE2m1{4, 1, 1, 0x7, 0x7, 0x7, false};

constexpr float kNan = std::bit_cast<float>(0x7fc00000u);
constexpr float kInfinity = std::bit_cast<float>(0x7f800000u);

constexpr float power_of_two(int exponent) {  // of a normal f32
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

constexpr float decode(const SmallFormat& format, int code) {
  const int sign_bit = 1 << (format.width - 1);
  const bool negative = (code & sign_bit) != 0;
  const int magnitude = code & (sign_bit - 1);
  if (format.one_zero && negative && magnitude == 0) return kNan;
  float value = 0;
  if (magnitude > format.max) {
    value = magnitude == format.infinity && format.infinity != format.nan ? kInfinity : kNan;
  } else {
    const int exponent = magnitude >> format.mantissa;
    const int fraction = magnitude & ((1 << format.mantissa) - 1);
    const int significand = exponent > 0 ? fraction | (1 << format.mantissa) : fraction;
    value = static_cast<float>(significand) *
            power_of_two((exponent > 0 ? exponent : 1) - format.bias - format.mantissa);
  }
  return negative ? -value : value;
}

constexpr std::array<float, 256> decode_all(const SmallFormat& format) {
  std::array<float, 256> values{};
  for (int code = 0; code < (1 << format.width); ++code)
    values[static_cast<std::size_t>(code)] = decode(format, code);
  return values;
}

std::uint8_t encode(const SmallFormat& format, float value, bool saturate) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto magnitude = static_cast<int>(bits & 0x7fffffffu);
  const int sign = (bits >> 31) != 0 ? 1 << (format.width - 1) : 0;
  if (magnitude > 0x7f800000) {
    // FP4 has no NaN: ONNX makes it 6, whatever its sign.
    return static_cast<std::uint8_t>(format.width == 8 ? format.nan | sign : format.nan);
  }
  // The value is significand * 2^(exponent-23); in the result a unit of the last place is
  // 2^(target-mantissa).
  const int field = magnitude >> 23;
  const int exponent = (field > 0 ? field : 1) - 127;
  const int significand = (magnitude & 0x7fffff) | (field > 0 ? 0x800000 : 0);
  const int target = exponent > 1 - format.bias ? exponent : 1 - format.bias;
  const int shift = (target - format.mantissa) - (exponent - 23);
  int code = 0;
  if (shift <= 25) {
    const int rounded =
        (significand + (1 << (shift - 1)) - 1 + ((significand >> shift) & 1)) >> shift;
    // A carry out of the mantissa adds to the exponent, as it should.
    code = ((target + format.bias - 1) << format.mantissa) + rounded;
  }
  if (code > format.max) code = saturate ? format.max : format.infinity;
  if (format.one_zero && code == 0) return 0;
  return static_cast<std::uint8_t>(code | sign);
}

const SmallFormat& format_of(DType type) {
  switch (type) {
    case DType::f8e4m3fn:
      return kE4m3fn;
    case DType::f8e4m3fnuz:
      return kE4m3fnuz;
    case DType::f8e5m2:
      return kE5m2;
    case DType::f8e5m2fnuz:
      return kE5m2fnuz;
    case DType::f4e2m1:
      return kE2m1;
    default:
      break;
  }
  STROP_CHECK(false, "the type is an 8-bit or 4-bit float");
}

constexpr std::array<float, 256> kE4m3fnValues = decode_all(kE4m3fn);
constexpr std::array<float, 256> kE4m3fnuzValues = decode_all(kE4m3fnuz);
constexpr std::array<float, 256> kE5m2Values = decode_all(kE5m2);
constexpr std::array<float, 256> kE5m2fnuzValues = decode_all(kE5m2fnuz);
constexpr std::array<float, 256> kE2m1Values = decode_all(kE2m1);

float f8e8m0_to_f32(std::uint8_t bits) {
  if (bits == 0xff) return kNan;
  return std::bit_cast<float>(bits > 0 ? static_cast<std::uint32_t>(bits) << 23
                                       : 0x00400000u);  // 0: 2^-127
}

template <class T>
T load(const std::byte* data, std::int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <class T>
void store(std::byte* data, std::int64_t index, T value) {
  std::memcpy(data + index * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

// The low 64 bits of the integer part in two's complement.
std::uint64_t wrap_to_bits(double value) {
  if (!std::isfinite(value)) return 0;
  const double whole = std::trunc(value);
  if (whole >= -0x1p63 && whole < 0x1p63)
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(whole));
  const auto magnitude = static_cast<std::uint64_t>(std::fmod(std::fabs(whole), 0x1p64));
  return whole < 0 ? 0 - magnitude : magnitude;
}

}  // namespace

float small_float_to_f32(DType type, std::uint8_t bits) {
  switch (type) {
    case DType::f8e4m3fn:
      return kE4m3fnValues[bits];
    case DType::f8e4m3fnuz:
      return kE4m3fnuzValues[bits];
    case DType::f8e5m2:
      return kE5m2Values[bits];
    case DType::f8e5m2fnuz:
      return kE5m2fnuzValues[bits];
    case DType::f8e8m0:
      return f8e8m0_to_f32(bits);
    case DType::f4e2m1:
      return kE2m1Values[bits & 0xfu];
    default:
      break;
  }
  STROP_CHECK(false, "the type is an 8-bit or 4-bit float");
}

std::uint8_t f32_to_small_float(DType type, float value, bool saturate) {
  if (type == DType::f8e8m0) return f32_to_f8e8m0(value, E8m0Rounding::up, saturate);
  return encode(format_of(type), value, saturate);
}

std::uint8_t f32_to_f8e8m0(float value, E8m0Rounding rounding, bool saturate) {
  constexpr std::uint32_t kLowest = 0x00400000u;   // 2^-127
  constexpr std::uint32_t kHighest = 0x7f000000u;  // 2^127, code 254
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(value) & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0xff;
  if (magnitude < kLowest) return saturate ? 0 : 0xff;
  if (magnitude > kHighest) return saturate ? 254 : 0xff;
  // A value of 2^-126 and more is code + fraction / 2^23; one of [2^-127, 2^-126) doubles that
  // scale.
  const std::uint32_t code = magnitude >> 23;
  const std::uint32_t fraction = code > 0 ? magnitude & 0x7fffffu : (magnitude - kLowest) * 2u;
  const bool up = rounding == E8m0Rounding::up
                      ? fraction > 0
                      : rounding == E8m0Rounding::nearest && fraction >= 0x400000u;
  return static_cast<std::uint8_t>(code + (up ? 1u : 0u));
}

float f64_to_f32_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value))
    --bits;  // toward zero; from infinity to the largest
  return std::bit_cast<float>(bits | 1u);
}

std::uint8_t load_packed(const std::byte* data, std::int64_t index, int bits) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  return static_cast<std::uint8_t>((std::to_integer<unsigned>(data[index / per_byte]) >> shift) &
                                   ((1u << bits) - 1u));
}

void store_packed(std::byte* data, std::int64_t index, int bits, std::uint8_t value) {
  const int per_byte = 8 / bits;
  const int shift = static_cast<int>(index % per_byte) * bits;
  const unsigned mask = ((1u << bits) - 1u) << shift;
  std::byte& target = data[index / per_byte];
  const unsigned rest = std::to_integer<unsigned>(target) & ~mask;
  target = static_cast<std::byte>(rest | ((static_cast<unsigned>(value) << shift) & mask));
}

double load_as_double(DType type, const std::byte* data, std::int64_t index) {
  switch (type) {
    case DType::f32:
      return static_cast<double>(load<float>(data, index));
    case DType::f64:
      return load<double>(data, index);
    case DType::f16:
      return static_cast<double>(f16_to_f32(load<std::uint16_t>(data, index)));
    case DType::bf16:
      return static_cast<double>(bf16_to_f32(load<std::uint16_t>(data, index)));
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0:
      return static_cast<double>(small_float_to_f32(type, load<std::uint8_t>(data, index)));
    case DType::f4e2m1:
      return static_cast<double>(small_float_to_f32(type, load_packed(data, index, 4)));
    case DType::i2:
      return static_cast<double>((load_packed(data, index, 2) ^ 2) - 2);
    case DType::i4:
      return static_cast<double>((load_packed(data, index, 4) ^ 8) - 8);
    case DType::u2:
      return static_cast<double>(load_packed(data, index, 2));
    case DType::u4:
      return static_cast<double>(load_packed(data, index, 4));
    case DType::i8:
      return static_cast<double>(load<std::int8_t>(data, index));
    case DType::i16:
      return static_cast<double>(load<std::int16_t>(data, index));
    case DType::i32:
      return static_cast<double>(load<std::int32_t>(data, index));
    case DType::i64:
      return static_cast<double>(load<std::int64_t>(data, index));
    case DType::u8:
      return static_cast<double>(load<std::uint8_t>(data, index));
    case DType::u16:
      return static_cast<double>(load<std::uint16_t>(data, index));
    case DType::u32:
      return static_cast<double>(load<std::uint32_t>(data, index));
    case DType::u64:
      return static_cast<double>(load<std::uint64_t>(data, index));
    case DType::boolean:
      return load<std::uint8_t>(data, index) != 0 ? 1.0 : 0.0;
    case DType::undefined:
    case DType::string:
    case DType::c64:
    case DType::c128:
      break;
  }
  STROP_CHECK(false, "the element type is a number");
}

void store_from_double(DType type, std::byte* data, std::int64_t index, double value) {
  switch (type) {
    case DType::f32:
      return store(data, index, static_cast<float>(value));
    case DType::f64:
      return store(data, index, value);
    case DType::f16:
      return store(data, index, f32_to_f16(f64_to_f32_odd(value)));
    case DType::bf16:
      return store(data, index, f32_to_bf16(f64_to_f32_odd(value)));
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
    case DType::f8e8m0:
      return store(data, index, f32_to_small_float(type, f64_to_f32_odd(value)));
    case DType::f4e2m1:
      return store_packed(data, index, 4, f32_to_small_float(type, f64_to_f32_odd(value)));
    case DType::i2:
    case DType::u2:
      return store_packed(data, index, 2, static_cast<std::uint8_t>(wrap_to_bits(value)));
    case DType::i4:
    case DType::u4:
      return store_packed(data, index, 4, static_cast<std::uint8_t>(wrap_to_bits(value)));
    case DType::i8:
    case DType::u8:
      return store(data, index, static_cast<std::uint8_t>(wrap_to_bits(value)));
    case DType::i16:
    case DType::u16:
      return store(data, index, static_cast<std::uint16_t>(wrap_to_bits(value)));
    case DType::i32:
    case DType::u32:
      return store(data, index, static_cast<std::uint32_t>(wrap_to_bits(value)));
    case DType::i64:
    case DType::u64:
      return store(data, index, wrap_to_bits(value));
    case DType::boolean:
      return store(data, index, static_cast<std::uint8_t>(value != 0 ? 1 : 0));
    case DType::undefined:
    case DType::string:
    case DType::c64:
    case DType::c128:
      break;
  }
  STROP_CHECK(false, "the element type is a number");
}

}  // namespace strop

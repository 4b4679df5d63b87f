// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/narrow_source.hpp"

#include <fmt/format.h>

#include <bit>
#include <limits>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"

namespace strop::cuda {
namespace {

bool is_narrow_float(DType dtype) { return kFloat8s.contains(dtype) || dtype == DType::f4e2m1; }

// Digits after the point of a number, and what is added to its exponent.
struct Format {
  int digits = 0, bias = 0;
};

Format format_of(DType dtype) {
  switch (dtype) {
    case DType::f8e4m3fn:
      return {3, 7};
    case DType::f8e4m3fnuz:
      return {3, 8};
    case DType::f8e5m2:
      return {2, 15};
    case DType::f8e5m2fnuz:
      return {2, 16};
    case DType::f4e2m1:
      return {1, 1};
    default:
      break;
  }
  STROP_CHECK(false, "floats of 4 and 8 bits that numbers are rounded to");
}

// Every number of the type, as the bits of a float.
void declare_numbers(KernelWriter& writer, DType dtype) {
  const int count = 1 << bits_of(dtype);
  std::string values;
  for (int bits = 0; bits < count; ++bits) {
    const float value = small_float_to_f32(dtype, static_cast<std::uint8_t>(bits));
    values += fmt::format("{:#x}u,", std::bit_cast<std::uint32_t>(value));
  }
  writer.declare_once(
      fmt::format("__device__ const unsigned numbers_{0}[{1}] = {{{2}}};\n"
                  "__device__ __forceinline__ float number_{0}(int bits) {{\n"
                  "  return __uint_as_float(numbers_{0}[bits]);\n}}\n",
                  to_string(dtype), count, values));
}

// Half to even by one rounding of the number scaled to where the last digit is worth 1. What lies
// beyond the largest finite number becomes what the processor makes of it.
void declare_rounding(KernelWriter& writer, DType dtype, bool saturate) {
  const Format format = format_of(dtype);
  const auto bits = [&](float value) {
    return static_cast<int>(f32_to_small_float(dtype, value, saturate));
  };
  const float large = std::numeric_limits<float>::max();
  const float infinite = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  writer.declare_once(fmt::format(
      "__device__ __forceinline__ unsigned bits_{name}(float v) {{\n"
      "  const unsigned all = __float_as_uint(v);\n"
      "  const bool negative = all >> 31 != 0;\n"
      "  const unsigned magnitude = all & 0x7fffffffu;\n"
      "  if (magnitude > 0x7f800000u) return negative ? {nan_negative} : {nan};\n"
      "  if (magnitude == 0x7f800000u) return negative ? {infinite_negative} : {infinite};\n"
      "  int exponent = static_cast<int>(magnitude >> 23) - 127;\n"
      "  if (exponent < 1 - {bias}) exponent = 1 - {bias};\n"
      "  const float scale = __uint_as_float(static_cast<unsigned>({digits} - exponent + 127) << "
      "23);\n"
      "  const int steps = static_cast<int>(rintf(__uint_as_float(magnitude) * scale));\n"
      "  const int bits = steps + ((exponent + {bias} - 1) << {digits});\n"
      "  if (bits > {last}) return negative ? {large_negative} : {large};\n"
      "  if (bits == 0) return negative ? {zero_negative} : 0;\n"
      "  return static_cast<unsigned>(bits) | (negative ? {sign}u : 0u);\n"
      "}}\n",
      fmt::arg("name", to_string(dtype)), fmt::arg("nan", bits(nan)),
      fmt::arg("nan_negative", bits(-nan)), fmt::arg("infinite", bits(infinite)),
      fmt::arg("infinite_negative", bits(-infinite)), fmt::arg("bias", format.bias),
      fmt::arg("digits", format.digits),
      fmt::arg("last", static_cast<int>(f32_to_small_float(dtype, large, true))),
      fmt::arg("large", bits(large)), fmt::arg("large_negative", bits(-large)),
      fmt::arg("zero_negative", bits(-0.0f)), fmt::arg("sign", 1 << (bits_of(dtype) - 1))));
}

}  // namespace

bool has_narrow_load(DType dtype) {
  return has_element(dtype) || is_narrow_float(dtype) || kSubByte.contains(dtype);
}

std::string narrow_pointer(DType dtype) {
  return has_element(dtype) ? element_type(dtype) : "unsigned char";
}

int narrow_per_byte(DType dtype) { return bits_of(dtype) < 8 ? 8 / bits_of(dtype) : 1; }

std::string narrow_load(KernelWriter& writer, DType dtype, const std::string& pointer,
                        const std::string& index) {
  if (has_element(dtype)) return fmt::format("wide({}[{}])", pointer, index);
  const int bits = bits_of(dtype), per_byte = narrow_per_byte(dtype);
  std::string out = per_byte == 1
                        ? fmt::format("{}[{}]", pointer, index)
                        : fmt::format("({}[({}) / {}] >> ({}) % {} * {} & {})", pointer, index,
                                      per_byte, index, per_byte, bits, (1 << bits) - 1);
  if (is_narrow_float(dtype)) {
    declare_numbers(writer, dtype);
    return fmt::format("number_{}({})", to_string(dtype), out);
  }
  if (dtype_info(dtype).kind == DTypeKind::signed_int)
    return fmt::format("static_cast<long long>(({} ^ {}) - {})", out, 1 << (bits - 1),
                       1 << (bits - 1));
  return fmt::format("static_cast<unsigned long long>({})", out);
}

std::string narrow_bits(KernelWriter& writer, DType dtype, const std::string& value,
                        bool saturate) {
  if (is_narrow_float(dtype)) {
    declare_rounding(writer, dtype, saturate || dtype == DType::f4e2m1);
    return fmt::format("bits_{}({})", to_string(dtype), value);
  }
  return fmt::format("static_cast<unsigned>(to_integer({})) & {}u", value,
                     (1 << bits_of(dtype)) - 1);
}

}  // namespace strop::cuda

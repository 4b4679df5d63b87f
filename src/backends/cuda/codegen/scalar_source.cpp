// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/scalar_source.hpp"

#include <fmt/format.h>

#include <cmath>

#include "backends/cuda/codegen/epilogue_source.hpp"
#include "ops/chunk.hpp"

namespace strop::cuda {
namespace {

std::string double_literal(double value) {
  if (std::isnan(value)) return "__longlong_as_double(0x7ff8000000000000ll)";
  if (std::isinf(value)) {
    return value > 0 ? "__longlong_as_double(0x7ff0000000000000ll)"
                     : "(-__longlong_as_double(0x7ff0000000000000ll))";
  }
  const std::string text = fmt::format("{:a}", value);
  return std::signbit(value) ? "(" + text + ")" : text;
}

std::string signed_literal(std::int64_t value) {
  // The lowest number has no literal of its own.
  if (value == std::numeric_limits<std::int64_t>::min()) return "(-9223372036854775807ll-1)";
  return fmt::format("({}ll)", value);
}

template <class C>
std::string literal_of(C value) {
  if constexpr (std::is_same_v<C, float>) {
    if (std::isinf(value))
      return value > 0 ? "__int_as_float(0x7f800000)" : "(-__int_as_float(0x7f800000))";
    return float_literal(value);
  }
  if constexpr (std::is_same_v<C, double>) return double_literal(value);
  if constexpr (std::is_same_v<C, std::int64_t>) return signed_literal(value);
  if constexpr (std::is_same_v<C, std::uint64_t>) return fmt::format("{}ull", value);
}

}  // namespace

bool has_element(DType dtype) { return (kNumbers | kBool).contains(dtype); }

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

std::string element_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float";
    case DType::f64:
      return "double";
    case DType::f16:
      return "half_t";
    case DType::bf16:
      return "bfloat_t";
    case DType::boolean:
      return "bool_t";
    case DType::i8:
      return "signed char";
    case DType::i16:
      return "short";
    case DType::i32:
      return "int";
    case DType::i64:
      return "long long";
    case DType::u8:
      return "unsigned char";
    case DType::u16:
      return "unsigned short";
    case DType::u32:
      return "unsigned int";
    case DType::u64:
      return "unsigned long long";
    default:
      break;
  }
  STROP_CHECK(false, "elements that kernels read");
}

std::string compute_type(DType dtype) {
  switch (compute_kind(dtype)) {
    case ComputeKind::f32:
      return "float";
    case ComputeKind::f64:
      return "double";
    case ComputeKind::i64:
      return "long long";
    case ComputeKind::u64:
      break;
  }
  return "unsigned long long";
}

std::string moved_type(DType dtype) {
  if (dtype == DType::string) return {};
  switch (bits_of(dtype)) {
    case 8:
      return "unsigned char";
    case 16:
      return "unsigned short";
    case 32:
      return "unsigned int";
    case 64:
      return "unsigned long long";
    case 128:
      return "bits128_t";
    default:
      return {};
  }
}

std::string literal(const Tensor& tensor, std::int64_t index) {
  std::string out;
  dispatch_compute(compute_kind(tensor.dtype()), [&]<class C>() {
    C value{};
    out = literal_of<C>(*load_chunk<C>(tensor, index, 1, &value));
  });
  return out;
}

std::string literal(DType dtype, double value) {
  std::string out;
  dispatch_compute(compute_kind(dtype),
                   [&]<class C>() { out = literal_of<C>(convert_number<C>(value)); });
  return out;
}

std::string lowest_literal(DType dtype) {
  if (is_floating(dtype)) return literal(dtype, -std::numeric_limits<double>::infinity());
  const int bits = bits_of(dtype);
  if (dtype_info(dtype).kind != DTypeKind::signed_int) return "0ull";
  return signed_literal(static_cast<std::int64_t>(~std::uint64_t{0} << (bits - 1)));
}

std::string highest_literal(DType dtype) {
  if (is_floating(dtype)) return literal(dtype, std::numeric_limits<double>::infinity());
  const int bits = dtype == DType::boolean ? 1 : bits_of(dtype);
  if (dtype_info(dtype).kind != DTypeKind::signed_int)
    return fmt::format("{}ull", ~std::uint64_t{0} >> (64 - bits));
  return signed_literal(static_cast<std::int64_t>(~(~std::uint64_t{0} << (bits - 1))));
}

std::string unary_source(const UnaryAttributes& attributes, DType dtype, const std::string& x) {
  if (compute_kind(dtype) == ComputeKind::f32 && has_source(attributes.function))
    return call_source(attributes.function, attributes.alpha, attributes.beta, x, is_half(dtype));
  const auto name = enum_names(attributes.function)[static_cast<std::size_t>(attributes.function)];
  return fmt::format("wide_{}<{}>({}, {}, {})", name, compute_type(dtype), x,
                     literal(dtype, attributes.alpha), literal(dtype, attributes.beta));
}

std::string binary_source(BinaryFunction function, DType dtype, const std::string& a,
                          const std::string& b) {
  if (compute_kind(dtype) == ComputeKind::f32 && has_source(function))
    return call_source(function, a, b);
  const auto name = enum_names(function)[static_cast<std::size_t>(function)];
  return fmt::format("wide_{}<{}>({}, {})", name, compute_type(dtype), a, b);
}

std::string rounded_source(DType dtype, const std::string& x) {
  return fmt::format("wide(narrow<{}>({}))", element_type(dtype), x);
}

}  // namespace strop::cuda

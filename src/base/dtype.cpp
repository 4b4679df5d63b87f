// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.hpp"

#include <array>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr std::array<DTypeInfo, kDTypeCount> kTable{{
    {DType::undefined, "undefined", 0, DTypeKind::none, 0},
    {DType::f32, "f32", 32, DTypeKind::floating, 1},
    {DType::f64, "f64", 64, DTypeKind::floating, 11},
    {DType::f16, "f16", 16, DTypeKind::floating, 10},
    {DType::bf16, "bf16", 16, DTypeKind::floating, 16},
    {DType::f8e4m3fn, "f8e4m3fn", 8, DTypeKind::floating, 17},
    {DType::f8e4m3fnuz, "f8e4m3fnuz", 8, DTypeKind::floating, 18},
    {DType::f8e5m2, "f8e5m2", 8, DTypeKind::floating, 19},
    {DType::f8e5m2fnuz, "f8e5m2fnuz", 8, DTypeKind::floating, 20},
    {DType::f8e8m0, "f8e8m0", 8, DTypeKind::floating, 24},
    {DType::f4e2m1, "f4e2m1", 4, DTypeKind::floating, 23},
    {DType::i2, "i2", 2, DTypeKind::signed_int, 26},
    {DType::i4, "i4", 4, DTypeKind::signed_int, 22},
    {DType::i8, "i8", 8, DTypeKind::signed_int, 3},
    {DType::i16, "i16", 16, DTypeKind::signed_int, 5},
    {DType::i32, "i32", 32, DTypeKind::signed_int, 6},
    {DType::i64, "i64", 64, DTypeKind::signed_int, 7},
    {DType::u2, "u2", 2, DTypeKind::unsigned_int, 25},
    {DType::u4, "u4", 4, DTypeKind::unsigned_int, 21},
    {DType::u8, "u8", 8, DTypeKind::unsigned_int, 2},
    {DType::u16, "u16", 16, DTypeKind::unsigned_int, 4},
    {DType::u32, "u32", 32, DTypeKind::unsigned_int, 12},
    {DType::u64, "u64", 64, DTypeKind::unsigned_int, 13},
    {DType::boolean, "bool", 8, DTypeKind::boolean, 9},
    {DType::string, "string", 0, DTypeKind::string, 8},
    {DType::c64, "c64", 64, DTypeKind::complex, 14},
    {DType::c128, "c128", 128, DTypeKind::complex, 15},
}};

}  // namespace

const DTypeInfo& dtype_info(DType type) {
  const auto index = static_cast<std::size_t>(type);
  STROP_CHECK(index < kTable.size(), "element type out of range");
  return kTable[index];
}

std::span<const DTypeInfo> all_dtypes() { return kTable; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeInfo& info : kTable) {
    if (info.name == name) return info.type;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_onnx(std::int64_t number) {
  if (number <= 0) return std::nullopt;
  for (const DTypeInfo& info : kTable) {
    if (info.onnx == number) return info.type;
  }
  return std::nullopt;
}

bool is_floating(DType type) { return dtype_info(type).kind == DTypeKind::floating; }

bool is_integer(DType type) {
  const DTypeKind kind = dtype_info(type).kind;
  return kind == DTypeKind::signed_int || kind == DTypeKind::unsigned_int;
}

}  // namespace strop

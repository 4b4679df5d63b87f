// SPDX-License-Identifier: Apache-2.0
// Element types, sub-byte ones included, and one table that says everything about each of them.
// Sub-byte elements are packed, the first element in the low bits; a tensor ends on a whole byte.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace strop {

enum class DType : std::uint8_t {
  undefined,
  f32,
  f64,
  f16,
  bf16,
  f8e4m3fn,
  f8e4m3fnuz,
  f8e5m2,
  f8e5m2fnuz,
  f8e8m0,
  f4e2m1,
  i2,
  i4,
  i8,
  i16,
  i32,
  i64,
  u2,
  u4,
  u8,
  u16,
  u32,
  u64,
  boolean,
  string,
  c64,
  c128,
};

inline constexpr int kDTypeCount = 27;

enum class DTypeKind : std::uint8_t {
  none,
  floating,
  signed_int,
  unsigned_int,
  boolean,
  string,
  complex
};

struct DTypeInfo {
  DType type;
  std::string_view name;  // as printed and parsed: "f32", "i4", "bool", "string"
  std::uint8_t bits;      // of one element; 0 for string (not plain memory)
  DTypeKind kind;
  std::uint8_t onnx;  // TensorProto.DataType
};

const DTypeInfo& dtype_info(DType type);
std::span<const DTypeInfo> all_dtypes();

inline std::string_view to_string(DType type) { return dtype_info(type).name; }
inline int bits_of(DType type) { return dtype_info(type).bits; }

// The type of that name, or of that ONNX number; nothing when there is none.
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_onnx(std::int64_t number);

bool is_floating(DType type);
bool is_integer(DType type);  // signed or unsigned, not bool

// A set of element types, for operand constraints.
class DTypeSet {
 public:
  constexpr DTypeSet() = default;
  constexpr DTypeSet(std::initializer_list<DType> types) {
    for (DType type : types) bits_ |= 1u << static_cast<unsigned>(type);
  }
  constexpr bool contains(DType type) const { return (bits_ >> static_cast<unsigned>(type)) & 1u; }
  constexpr DTypeSet operator|(DTypeSet other) const {
    DTypeSet result;
    result.bits_ = bits_ | other.bits_;
    return result;
  }
  constexpr bool operator==(const DTypeSet&) const = default;

 private:
  std::uint32_t bits_ = 0;
};

inline constexpr DTypeSet kFloats{DType::f32, DType::f64, DType::f16, DType::bf16};
inline constexpr DTypeSet kFloat8s{DType::f8e4m3fn, DType::f8e4m3fnuz, DType::f8e5m2,
                                   DType::f8e5m2fnuz, DType::f8e8m0};
inline constexpr DTypeSet kSignedInts{DType::i8, DType::i16, DType::i32, DType::i64};
inline constexpr DTypeSet kUnsignedInts{DType::u8, DType::u16, DType::u32, DType::u64};
inline constexpr DTypeSet kIntegers = kSignedInts | kUnsignedInts;
inline constexpr DTypeSet kSubByte{DType::i2, DType::u2, DType::i4, DType::u4, DType::f4e2m1};
inline constexpr DTypeSet kIndices{DType::i32, DType::i64};
inline constexpr DTypeSet kNumbers = kFloats | kIntegers;
inline constexpr DTypeSet kBool{DType::boolean};
inline constexpr DTypeSet kComplex{DType::c64, DType::c128};
// Everything that lies in plain memory.
inline constexpr DTypeSet kPlain = kNumbers | kFloat8s | kSubByte | kBool | kComplex;
inline constexpr DTypeSet kAny = kPlain | DTypeSet{DType::string};

}  // namespace strop

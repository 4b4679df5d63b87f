// SPDX-License-Identifier: Apache-2.0
// From an element type at run time to a C++ type: dispatch_float(dtype, [&]<class T>() { ... }).
// Types without C++ arithmetic (FP8, FP4, INT4, INT2) go through load_as_double / store_from_double
// instead.
#pragma once

#include <limits>
#include <string>
#include <type_traits>

#include "base/tensor.hpp"

namespace strop {

// What reference kernels compute in: float for the 16-bit floats, the type itself otherwise.
template <class T>
using ComputeType =
    std::conditional_t<std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>, float, T>;

[[noreturn]] inline void dispatch_failed(DType dtype) {
  throw Error(ErrorCode::internal, "a reference kernel was reached with element type " +
                                       std::string(to_string(dtype)) +
                                       ", which its operator does not declare");
}

template <class F>
void dispatch_float(DType dtype, F&& body) {
  switch (dtype) {
    case DType::f32:
      return body.template operator()<float>();
    case DType::f64:
      return body.template operator()<double>();
    case DType::f16:
      return body.template operator()<float16>();
    case DType::bf16:
      return body.template operator()<bfloat16>();
    default:
      dispatch_failed(dtype);
  }
}

template <class F>
void dispatch_integer(DType dtype, F&& body) {
  switch (dtype) {
    case DType::i8:
      return body.template operator()<std::int8_t>();
    case DType::i16:
      return body.template operator()<std::int16_t>();
    case DType::i32:
      return body.template operator()<std::int32_t>();
    case DType::i64:
      return body.template operator()<std::int64_t>();
    case DType::u8:
      return body.template operator()<std::uint8_t>();
    case DType::u16:
      return body.template operator()<std::uint16_t>();
    case DType::u32:
      return body.template operator()<std::uint32_t>();
    case DType::u64:
      return body.template operator()<std::uint64_t>();
    default:
      dispatch_failed(dtype);
  }
}

// Floats and integers of 8 bits and more.
template <class F>
void dispatch_number(DType dtype, F&& body) {
  if (is_floating(dtype)) {
    dispatch_float(dtype, body);
  } else {
    dispatch_integer(dtype, body);
  }
}

// An unsigned integer as wide as the element (8 to 64 bits), for kernels that only move elements.
template <class F>
void dispatch_width(int bits, F&& body) {
  switch (bits) {
    case 8:
      return body.template operator()<std::uint8_t>();
    case 16:
      return body.template operator()<std::uint16_t>();
    case 32:
      return body.template operator()<std::uint32_t>();
    case 64:
      return body.template operator()<std::uint64_t>();
    default:
      throw Error(ErrorCode::internal, "no element of " + std::to_string(bits) + " bits");
  }
}

// A shape seen from one axis, as [outer, size, inner].
struct AxisSplit {
  std::int64_t outer = 1, size = 1, inner = 1;
  AxisSplit(const Shape& shape, std::int64_t axis) {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(shape.size()); ++i) {
      std::int64_t& part = i < axis ? outer : i == axis ? size : inner;
      part *= shape[static_cast<std::size_t>(i)];
    }
  }
};

}  // namespace strop

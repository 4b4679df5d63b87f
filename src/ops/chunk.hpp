// SPDX-License-Identifier: Apache-2.0
// Elements of any numeric type, bool and FP8/FP4/INT4/INT2 included, read and written by the chunk
// as one of four compute types: float, double, i64 (wraps), u64 (wraps). Reference kernels are
// written once per compute type, and a chunk of the compute type itself is not copied.
#pragma once

#include <cmath>
#include <cstring>

#include "ops/dispatch.hpp"

namespace strop {

inline constexpr std::int64_t kChunk = 512;  // elements; buffers of a few chunks fit the stack

// What a kernel computes in for elements of `dtype`.
enum class ComputeKind : std::uint8_t { f32, f64, i64, u64 };

inline ComputeKind compute_kind(DType dtype) {
  switch (dtype_info(dtype).kind) {
    case DTypeKind::floating:
      return dtype == DType::f64 ? ComputeKind::f64 : ComputeKind::f32;
    case DTypeKind::signed_int:
      return ComputeKind::i64;
    case DTypeKind::unsigned_int:
    case DTypeKind::boolean:
      return ComputeKind::u64;
    default:
      dispatch_failed(dtype);
  }
}

// body.operator()<float | double | std::int64_t | std::uint64_t>().
template <class F>
void dispatch_compute(ComputeKind kind, F&& body) {
  switch (kind) {
    case ComputeKind::f32:
      return body.template operator()<float>();
    case ComputeKind::f64:
      return body.template operator()<double>();
    case ComputeKind::i64:
      return body.template operator()<std::int64_t>();
    case ComputeKind::u64:
      return body.template operator()<std::uint64_t>();
  }
}

// One number to another: floats round once, half to even; to integers towards zero, then modulo
// 2^bits (NaN and infinity give 0).
template <class To, class From>
To convert_number(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert_number<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) {
    if constexpr (std::is_same_v<From, float>) {
      return To(value);
    } else {
      return To(f64_to_f32_odd(static_cast<double>(value)));
    }
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    if (value > From(-9.2e18) && value < From(9.2e18)) {
      return static_cast<To>(static_cast<std::int64_t>(value));
    }
    std::uint64_t wrapped = 0;
    store_from_double(DType::u64, reinterpret_cast<std::byte*>(&wrapped), 0,
                      static_cast<double>(value));
    return static_cast<To>(wrapped);
  } else {
    return static_cast<To>(value);
  }
}

// Calls body.operator()<T>() for a type that C++ knows, bool included; false: there is none.
template <class F>
bool dispatch_native(DType dtype, F&& body) {
  if (dtype == DType::boolean) {
    body.template operator()<bool>();
  } else if (kIntegers.contains(dtype)) {
    dispatch_integer(dtype, body);
  } else if (kFloats.contains(dtype)) {
    dispatch_float(dtype, body);
  } else {
    return false;
  }
  return true;
}

// `count` (<= kChunk) elements from `begin` on; into `buffer` unless they already are C.
template <class C>
const C* load_chunk(const Tensor& tensor, std::int64_t begin, std::int64_t count, C* buffer) {
  const bool native = dispatch_native(tensor.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, C>) {
      const T* from = tensor.values<T>().data() + begin;
      for (std::int64_t i = 0; i < count; ++i) buffer[i] = convert_number<C>(from[i]);
    }
  });
  if (native && tensor.dtype() == DTypeOf<C>::value) return tensor.values<C>().data() + begin;
  if (!native) {
    for (std::int64_t i = 0; i < count; ++i) {
      buffer[i] = convert_number<C>(load_as_double(tensor.dtype(), tensor.data(), begin + i));
    }
  }
  return buffer;
}

// Where a chunk of results is to be written before store_chunk: the tensor itself if its elements
// are C.
template <class C>
C* result_chunk(Tensor& tensor, std::int64_t begin, C* buffer) {
  return tensor.dtype() == DTypeOf<C>::value ? tensor.mutable_values<C>().data() + begin : buffer;
}

template <class C>
void store_chunk(Tensor& tensor, std::int64_t begin, std::int64_t count, const C* values) {
  const bool native = dispatch_native(tensor.dtype(), [&]<class T>() {
    T* to = tensor.mutable_values<T>().data() + begin;
    if constexpr (std::is_same_v<T, C>) {
      if (to != values) std::copy_n(values, count, to);
    } else {
      for (std::int64_t i = 0; i < count; ++i) to[i] = convert_number<T>(values[i]);
    }
  });
  if (native) return;
  for (std::int64_t i = 0; i < count; ++i) {
    store_from_double(tensor.dtype(), tensor.mutable_data(), begin + i,
                      static_cast<double>(values[i]));
  }
}

// Packed elements may leave bits of the last byte over: those are 0, so that equal tensors have
// equal bytes. To be called before the elements are written.
inline void clear_padding(Tensor& tensor) {
  if (bits_of(tensor.dtype()) < 8 && tensor.bytes() > 0) {
    tensor.mutable_data()[tensor.bytes() - 1] = std::byte{0};
  }
}

// All elements as C, in place where they are C already; `owned` holds the copy otherwise.
template <class C>
const C* load_all(const Tensor& tensor, std::vector<C>& owned) {
  if (tensor.dtype() == DTypeOf<C>::value) return tensor.values<C>().data();
  owned.resize(static_cast<std::size_t>(tensor.size()));
  for (std::int64_t i = 0; i < tensor.size(); i += kChunk) {
    load_chunk<C>(tensor, i, std::min(kChunk, tensor.size() - i), owned.data() + i);
  }
  return owned.data();
}

// Packed elements share bytes between neighbours: ranges of threads begin at whole bytes.
static_assert(kChunk % 8 == 0);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// A dense, contiguous, row-major tensor in host memory, and Datum: everything a value of a model
// can be at run time. Copying a Tensor shares its storage; a tensor that others may hold is not
// written to.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/float_types.hpp"
#include "base/shape.hpp"

namespace strop {

// The C++ type that holds one element, for types of 8 bits and more.
template <class T>
struct DTypeOf;

class Tensor {
 public:
  Tensor() = default;  // undefined, no storage

  // Own memory, 64-byte aligned, not initialised (strings are empty). Throws Error(out_of_memory)
  // with the bytes asked.
  static Tensor allocate(DType dtype, Shape shape);
  static Tensor zeros(DType dtype, Shape shape);
  // Memory of somebody else; `owner` keeps it alive and may be null when the caller guarantees
  // that.
  static Tensor wrap(DType dtype, Shape shape, void* data, std::shared_ptr<const void> owner);
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values);
  template <class T>
  static Tensor scalar(T value);
  static Tensor from_strings(Shape shape, std::vector<std::string> values);

  bool defined() const { return dtype_ != DType::undefined; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t rank() const { return static_cast<std::int64_t>(shape_.size()); }
  std::int64_t dim(std::int64_t axis) const { return shape_[static_cast<std::size_t>(axis)]; }
  std::int64_t size() const { return size_; }    // elements
  std::int64_t bytes() const { return bytes_; }  // of packed memory; 0 for strings

  const std::byte* data() const { return data_; }
  std::byte* mutable_data() { return data_; }

  // Elements as T; T must be the element type (checked). bool is read as bool, strings as
  // std::string.
  template <class T>
  std::span<const T> values() const;
  template <class T>
  std::span<T> mutable_values();

  // The same storage under another shape of as many elements.
  Tensor reshaped(Shape shape) const;
  // Own storage with the same contents.
  Tensor clone() const;
  // Elements of an integer or bool tensor as i64. Throws Error(bad_type).
  std::vector<std::int64_t> to_i64() const;
  // Same type, shape and bytes (strings: same contents). NaNs compare by their bits.
  bool identical(const Tensor& other) const;

 private:
  DType dtype_ = DType::undefined;
  Shape shape_;
  std::int64_t size_ = 0;
  std::int64_t bytes_ = 0;
  std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

// "f32[1,3,224,224]"
std::string describe(const Tensor& tensor);

struct Datum;
using Sequence = std::vector<Datum>;
struct Optional {
  std::shared_ptr<const Datum> value;  // null: empty
};
struct Map {
  Tensor keys;  // i64 or string, rank 1
  std::vector<Datum> values;
};
struct Datum {
  std::variant<std::monostate, Tensor, Sequence, Optional, Map> value;

  Datum() = default;
  Datum(Tensor tensor) : value(std::move(tensor)) {}        // NOLINT
  Datum(Sequence sequence) : value(std::move(sequence)) {}  // NOLINT
  Datum(Optional optional) : value(std::move(optional)) {}  // NOLINT
  Datum(Map map) : value(std::move(map)) {}                 // NOLINT
  bool has_value() const { return value.index() != 0; }
  bool is_tensor() const { return std::holds_alternative<Tensor>(value); }
  const Tensor& tensor() const;      // throws Error(internal) when it is something else
  const Sequence& sequence() const;  // likewise
};

#define STROP_DTYPE_OF(type, dtype_value)              \
  template <>                                          \
  struct DTypeOf<type> {                               \
    static constexpr DType value = DType::dtype_value; \
  };
STROP_DTYPE_OF(float, f32)
STROP_DTYPE_OF(double, f64)
STROP_DTYPE_OF(float16, f16)
STROP_DTYPE_OF(bfloat16, bf16)
STROP_DTYPE_OF(std::int8_t, i8)
STROP_DTYPE_OF(std::int16_t, i16)
STROP_DTYPE_OF(std::int32_t, i32)
STROP_DTYPE_OF(std::int64_t, i64)
STROP_DTYPE_OF(std::uint8_t, u8)
STROP_DTYPE_OF(std::uint16_t, u16)
STROP_DTYPE_OF(std::uint32_t, u32)
STROP_DTYPE_OF(std::uint64_t, u64)
STROP_DTYPE_OF(bool, boolean)
STROP_DTYPE_OF(std::string, string)
#undef STROP_DTYPE_OF

template <class T>
std::span<const T> Tensor::values() const {
  STROP_CHECK(dtype_ == DTypeOf<T>::value, "a tensor is read as its own element type");
  return {reinterpret_cast<const T*>(data_), static_cast<std::size_t>(size_)};
}

template <class T>
std::span<T> Tensor::mutable_values() {
  STROP_CHECK(dtype_ == DTypeOf<T>::value, "a tensor is written as its own element type");
  return {reinterpret_cast<T*>(data_), static_cast<std::size_t>(size_)};
}

template <class T>
Tensor Tensor::from(Shape shape, const std::vector<T>& values) {
  Tensor out = allocate(DTypeOf<T>::value, std::move(shape));
  STROP_CHECK(out.size() == static_cast<std::int64_t>(values.size()),
              "as many values as the shape has elements");
  auto target = out.mutable_values<T>();
  for (std::size_t i = 0; i < values.size(); ++i) target[i] = values[i];
  return out;
}

template <class T>
Tensor Tensor::scalar(T value) {
  Tensor out = allocate(DTypeOf<T>::value, {});
  out.mutable_values<T>()[0] = value;
  return out;
}

}  // namespace strop

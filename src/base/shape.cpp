// SPDX-License-Identifier: Apache-2.0
#include "base/shape.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace strop {

std::optional<std::int64_t> try_mul(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

std::optional<std::int64_t> try_add(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

std::int64_t element_count(const Shape& shape) {
  // A zero anywhere makes the tensor empty, whatever the other dimensions would multiply to.
  bool empty = false;
  for (std::int64_t dim : shape) {
    if (dim < 0)
      throw Error(ErrorCode::bad_shape, "negative dimension in shape " + to_string(shape));
    empty = empty || dim == 0;
  }
  if (empty) return 0;
  std::int64_t count = 1;
  for (std::int64_t dim : shape) {
    const auto product = try_mul(count, dim);
    if (!product) {
      throw Error(ErrorCode::bad_shape,
                  "shape " + to_string(shape) + " has more than 2^63-1 elements");
    }
    count = *product;
  }
  return count;
}

std::int64_t byte_size(DType dtype, const Shape& shape) {
  const std::int64_t count = element_count(shape);
  const std::int64_t bits = bits_of(dtype);
  STROP_CHECK(bits > 0, "byte_size is for types in plain memory");
  if (bits >= 8) {
    const auto bytes = try_mul(count, bits / 8);
    if (!bytes)
      throw Error(ErrorCode::bad_shape,
                  "shape " + to_string(shape) + " needs more than 2^63-1 bytes");
    return *bytes;
  }
  const std::int64_t per_byte = 8 / bits;
  return count / per_byte + (count % per_byte != 0 ? 1 : 0);
}

Shape contiguous_strides(const Shape& shape) {
  element_count(shape);  // throws
  Shape strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) {
    // Only an empty tensor can overflow here, and nothing is ever reached by its strides.
    strides[i - 1] = try_mul(strides[i], std::max<std::int64_t>(shape[i], 1)).value_or(0);
  }
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

std::int64_t normalize_axis(std::int64_t axis, std::int64_t rank, const char* what) {
  if (axis < -rank || axis >= rank) {
    throw Error(ErrorCode::bad_attribute,
                std::string(what) + " " + std::to_string(axis) + " is out of range",
                "it must lie in [" + std::to_string(-rank) + ", " + std::to_string(rank - 1) +
                    "] for rank " + std::to_string(rank));
  }
  return axis < 0 ? axis + rank : axis;
}

}  // namespace strop

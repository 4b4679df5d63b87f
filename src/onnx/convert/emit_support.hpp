// SPDX-License-Identifier: Apache-2.0
// Short words for the nodes that converters compose operators of.
#pragma once

#include <utility>
#include <vector>

#include "onnx/converter_table.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/concat.hpp"
#include "ops/range.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/transpose.hpp"
#include "ops/unary.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {

// A scalar constant, for bool 0 or 1; throws bad_type for strings and complex numbers.
inline ValueId scalar(ConvertContext& c, DType dtype, double value) {
  if (!(kNumbers | kFloat8s | kSubByte | kBool).contains(dtype)) {
    c.fail(ErrorCode::bad_type, "it takes numbers, not " + std::string(to_string(dtype)));
  }
  Tensor number = Tensor::allocate(dtype, {});
  store_from_double(dtype, number.mutable_data(), 0, value);
  return c.emitter().constant(number);
}

inline ValueId integers(ConvertContext& c, const std::vector<std::int64_t>& values) {
  return c.emitter().integers(values);
}

inline ValueId binary(ConvertContext& c, BinaryFunction function, ValueId a, ValueId b) {
  return c.emit(op_binary(), BinaryAttributes{function}, {a, b});
}

inline ValueId unary(ConvertContext& c, UnaryAttributes attributes, ValueId x) {
  return c.emit(op_unary(), attributes, {x});
}

inline ValueId cast_to(ConvertContext& c, ValueId x, DType to) {
  return c.type(x).dtype == to ? x : c.emit(op_cast(), CastAttributes{.to = to}, {x});
}

// x times a number; x itself for 1.
inline ValueId scaled(ConvertContext& c, ValueId x, double factor) {
  if (factor == 1) return x;
  return binary(c, BinaryFunction::mul, x, scalar(c, c.type(x).dtype, factor));
}

// 0 keeps a size, -1 takes what is left.
inline ValueId reshaped(ConvertContext& c, ValueId x, const std::vector<std::int64_t>& shape) {
  return c.emit(op_reshape(), ReshapeAttributes{}, {x, integers(c, shape)});
}

// x under the shape of another value.
inline ValueId reshaped_like(ConvertContext& c, ValueId x, ValueId like) {
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {like});
  return c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true}, {x, shape});
}

inline ValueId transposed(ConvertContext& c, ValueId x, std::vector<std::int64_t> perm) {
  return c.emit(op_transpose(), TransposeAttributes{.perm = std::move(perm)}, {x});
}

inline ValueId unsqueezed(ConvertContext& c, ValueId x, const std::vector<std::int64_t>& axes) {
  return c.emit(op_unsqueeze(), NoAttributes{}, {x, integers(c, axes)});
}

// i64[n]: 0, 1, ..., n - 1, where n is an i64 tensor of one element.
inline ValueId counted(ConvertContext& c, ValueId n) {
  return c.emit(op_range(), NoAttributes{},
                {scalar(c, DType::i64, 0), reshaped(c, n, {}), scalar(c, DType::i64, 1)});
}

// The size of x along an axis that is not negative: i64[1].
inline ValueId size_along(ConvertContext& c, ValueId x, std::int64_t axis) {
  return c.emit(op_shape(), ShapeAttributes{.start = axis, .end = axis + 1}, {x});
}

inline ValueId concatenated(ConvertContext& c, std::vector<ValueId> parts, std::int64_t axis) {
  return c.emit(op_concat(), ConcatAttributes{.axis = axis}, std::move(parts));
}

// The size along an axis, where it is a number; -1 where it is not, or the rank is unknown.
inline std::int64_t known_size(ConvertContext& c, ValueId x, std::int64_t axis) {
  const auto& shape = c.type(x).shape;
  if (!shape || axis >= static_cast<std::int64_t>(shape->size())) return -1;
  const Dim& size = (*shape)[static_cast<std::size_t>(axis)];
  return size.is_constant() ? size.value() : -1;
}

}  // namespace strop::onnx

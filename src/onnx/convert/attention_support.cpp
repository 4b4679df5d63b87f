// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/attention_support.hpp"

#include <cmath>

#include "onnx/convert/emit_support.hpp"

namespace strop::onnx {

std::int64_t heads_attribute(ConvertContext& c, std::string_view name) {
  constexpr std::int64_t kMostHeads = 1 << 20;  // sums and products of counts do not overflow
  const std::int64_t heads = c.int_attribute(name);
  if (heads < 1 || heads > kMostHeads) {
    c.fail(ErrorCode::bad_attribute, std::string(name) + " is " + std::to_string(heads) +
                                         ", but must be 1 to " + std::to_string(kMostHeads));
  }
  return heads;
}

ValueId with_heads(ConvertContext& c, ValueId x, std::int64_t heads) {
  const Type& type = c.type(x);
  if (type.shape && type.rank() != 3) {
    c.fail(ErrorCode::bad_shape, "an input that is to be split into heads is " + type.to_string() +
                                     "; it must be [batch, sequence, hidden]");
  }
  const std::int64_t hidden = known_size(c, x, 2);
  if (hidden % heads > 0) {
    c.fail(ErrorCode::bad_shape, "a hidden size of " + std::to_string(hidden) +
                                     " cannot be split into " + std::to_string(heads) + " heads");
  }
  // Where the size is known it is written out: an empty tensor leaves -1 open.
  return reshaped(c, x, {0, 0, heads, hidden > 0 ? hidden / heads : -1});
}

ValueId split_heads(ConvertContext& c, ValueId x, std::int64_t heads) {
  return transposed(c, with_heads(c, x, heads), {0, 2, 1, 3});
}

ValueId without_heads(ConvertContext& c, ValueId x) {
  const std::int64_t heads = known_size(c, x, 2), size = known_size(c, x, 3);
  const auto hidden = heads > 0 && size > 0 ? try_mul(heads, size) : std::nullopt;
  return reshaped(c, x, {0, 0, hidden.value_or(-1)});
}

ValueId merge_heads(ConvertContext& c, ValueId x) {
  return without_heads(c, transposed(c, x, {0, 2, 1, 3}));
}

ScaledQueries with_default_scale(ConvertContext& c, ValueId q) {
  const std::int64_t size = known_size(c, q, 3);
  if (size > 0) return {q, 1 / std::sqrt(static_cast<double>(size))};
  const DType wide = c.type(q).dtype == DType::f64 ? DType::f64 : DType::f32;
  const ValueId root = unary(c, {UnaryFunction::sqrt}, cast_to(c, size_along(c, q, 3), wide));
  const ValueId scaled = binary(c, BinaryFunction::div, cast_to(c, q, wide), root);
  return {cast_to(c, scaled, c.type(q).dtype), 1};
}

ValueId appended(ConvertContext& c, ValueId past, ValueId x, std::int64_t axis) {
  return past.exists() ? concatenated(c, {past, x}, axis) : x;
}

}  // namespace strop::onnx

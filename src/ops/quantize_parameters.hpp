// SPDX-License-Identifier: Apache-2.0
// What the quantising operators share: which scale and zero point belong to which element (one for
// the whole tensor, one per index along an axis, or one per block of `block_size` indices along
// it), the element types, and the rounding.
#pragma once

#include <algorithm>
#include <cmath>

#include "ir/infer.hpp"
#include "ops/dispatch.hpp"

namespace strop {

// What tensors are quantised to. A scale may be f8e8m0, a quantised element not.
inline constexpr DTypeSet kQuantized{
    DType::i2,         DType::u2,     DType::i4,        DType::u4,     DType::i8,
    DType::u8,         DType::i16,    DType::u16,       DType::f4e2m1, DType::f8e4m3fn,
    DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz};

// Half to even, for magnitudes below 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
inline float round_half_even(float x) { return (x + 12582912.0f) - 12582912.0f; }

// clamp(rint(ratio) + zero, lowest, highest) for a range of at most 16 bits, in this order: clamp,
// round, add. NaN gives the zero point.
inline float quantize_to_integer(float ratio, float zero, float lowest, float highest) {
  const float clamped = std::min(std::max(ratio, lowest - zero), highest - zero);
  return std::isnan(ratio) ? zero : round_half_even(clamped) + zero;
}

// Checks the shapes of scale (input 1) and zero point (input 2) against x (input 0).
inline void check_quantize_parameters(InferContext& context, std::int64_t axis,
                                      std::int64_t block_size) {
  const SymShape* x = context.shape(0);
  const SymShape* scale = context.shape(1);
  context.require(block_size >= 0, ErrorCode::bad_attribute,
                  "block_size is " + std::to_string(block_size));
  if (scale != nullptr && context.has_input(2) && context.shape(2) != nullptr) {
    const SymShape& zero = *context.shape(2);
    // A scalar and a list of one are the same here; exporters mix them.
    const auto single = [](const SymShape& shape) {
      return shape.empty() || (shape.size() == 1 && shape[0].is(1));
    };
    if (!single(zero) || !single(*scale)) {
      context.require(zero.size() == scale->size(), ErrorCode::bad_shape,
                      "scale and zero point have different ranks");
      for (std::size_t i = 0; i < zero.size(); ++i) {
        context.require_equal(zero[i], (*scale)[i], "sizes of scale and zero point");
      }
    }
  }
  if (scale == nullptr || x == nullptr) return;
  const auto rank = static_cast<std::int64_t>(x->size());
  if (block_size == 0) {
    context.require(scale->size() <= 1, ErrorCode::bad_shape,
                    "scale must be a scalar or have one axis unless there is a block size");
    if (scale->empty() || (*scale)[0].is(1)) return;
    const auto at = static_cast<std::size_t>(normalize_axis(axis, rank));
    context.require_equal((*scale)[0], (*x)[at], "the size of scale and x's axis");
    return;
  }
  const auto at = static_cast<std::size_t>(normalize_axis(axis, rank));
  context.require(scale->size() == x->size(), ErrorCode::bad_shape,
                  "a blocked scale has the rank of x");
  for (std::size_t i = 0; i < x->size(); ++i) {
    const Dim wanted = i == at ? ceildiv((*x)[i], Dim(block_size)) : (*x)[i];
    context.require_equal((*scale)[i], wanted, "sizes of the blocked scale and of x");
  }
}

// Steps through the elements of x in order and gives the index of each one's scale.
class QuantizeIndex {
 public:
  QuantizeIndex(const Shape& x, const Shape& scale, std::int64_t axis, std::int64_t block_size,
                std::int64_t begin) {
    if (block_size == 0 && (scale.empty() || scale[0] == 1)) {
      whole_ = true;
      return;
    }
    const AxisSplit split(x, normalize_axis(axis, static_cast<std::int64_t>(x.size())));
    size_ = split.size;
    inner_ = split.inner;
    block_ = block_size;
    blocks_ = block_size > 0 ? (size_ + block_size - 1) / block_size : size_;
    in_ = begin % inner_;
    at_ = begin / inner_ % size_;
    out_ = begin / inner_ / size_;
  }
  // Of the current element; then moves on.
  std::int64_t next() {
    if (whole_) return 0;
    const std::int64_t index = block_ > 0 ? (out_ * blocks_ + at_ / block_) * inner_ + in_ : at_;
    if (++in_ == inner_) {
      in_ = 0;
      if (++at_ == size_) at_ = 0, ++out_;
    }
    return index;
  }

 private:
  bool whole_ = false;
  std::int64_t size_ = 1, inner_ = 1, block_ = 0, blocks_ = 1;
  std::int64_t in_ = 0, at_ = 0, out_ = 0;
};

}  // namespace strop

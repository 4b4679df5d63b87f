// SPDX-License-Identifier: Apache-2.0
// What converters of quantised operators are made of: real numbers from quantised ones and back,
// integer sums to real numbers, and the arithmetic between. "Quantised" is a tensor with its scale
// and zero point (none: 0), as the inputs of an ONNX node name them.
#pragma once

#include "onnx/convert/emit_support.hpp"

namespace strop::onnx::quantized {

// ONNX Runtime's domain.
inline constexpr const char* kMicrosoft = "com.microsoft";

struct Quantized {
  ValueId value;
  ValueId scale;
  ValueId zero_point;
};

// Inputs first, first + 1 and first + 2; only the zero point may be absent.
Quantized quantized_input(ConvertContext& c, std::size_t first);

ValueId shape_of(ConvertContext& c, ValueId x);
// The first `size` (i64[1]) indices of an axis.
ValueId first_of(ConvertContext& c, ValueId x, ValueId size, std::int64_t axis);
ValueId at_index(ConvertContext& c, ValueId x, std::int64_t index);  // of the first axis
// 0, 1, ... below the size of an axis: i64.
ValueId counting(ConvertContext& c, ValueId x, std::int64_t axis);

// One element, as far as is known.
bool may_be_single(ConvertContext& c, ValueId x);
// Throws bad_shape when x is known to have more than one element.
void require_single(ConvertContext& c, ValueId x, const char* what);

// (x - zero point) * scale in FP32, or the type of `to`. Parameters with one axis belong to `axis`.
ValueId dequantize(ConvertContext& c, const Quantized& x, std::int64_t axis = 1,
                   DType to = DType::f32);
// Of type `to`, which the zero point has too if there is one.
ValueId quantize(ConvertContext& c, ValueId x, ValueId scale, ValueId zero_point, DType to);
// From x's scale and zero point to those; x itself where they are known to be the same.
ValueId requantize(ConvertContext& c, const Quantized& x, ValueId scale, ValueId zero_point);

// The product of two scales in FP32.
ValueId scale_product(ConvertContext& c, ValueId a, ValueId b);
// int32 sums as real numbers. The scale is a scalar, a list along `axis`, or broadcasts to the
// sums.
ValueId scale_sums(ConvertContext& c, ValueId sums, ValueId scale, std::int64_t axis,
                   DType to = DType::f32);

// The type of integers packed in bytes that the attribute "bits" (4 without) tells.
DType packed_type(ConvertContext& c);
ValueId unpack(ConvertContext& c, ValueId bytes, DType to);
// The zero point of unsigned integers that stands for none: half of their range.
ValueId middle_zero_point(ConvertContext& c, DType dtype, ValueId shape);
// Blocks have a power of 2 of at least 16 elements.
void require_block_size(ConvertContext& c, std::int64_t size);

// [N, spatial..., C] to [N, C, spatial...] and back.
ValueId channels_first(ConvertContext& c, ValueId x);
ValueId channels_last(ConvertContext& c, ValueId x);

}  // namespace strop::onnx::quantized

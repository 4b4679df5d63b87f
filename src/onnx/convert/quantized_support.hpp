// SPDX-License-Identifier: Apache-2.0
// What converters of quantised operators are made of: real numbers from quantised ones and back,
// integer sums to real numbers, and the arithmetic between. "Quantised" is a tensor with its scale
// and zero point (none: 0), as the inputs of an ONNX node name them.
#pragma once

#include "onnx/converter_table.hpp"
#include "ops/binary.hpp"

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

ValueId number(ConvertContext& c, DType dtype, double value);  // a scalar
ValueId arithmetic(ConvertContext& c, BinaryFunction function, ValueId a, ValueId b);
ValueId cast_to(ConvertContext& c, ValueId x, DType to);
ValueId reshape_to(ConvertContext& c, ValueId x, const std::vector<std::int64_t>& shape);
ValueId transpose_by(ConvertContext& c, ValueId x, std::vector<std::int64_t> perm);
ValueId shape_of(ConvertContext& c, ValueId x);

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

// [N, spatial..., C] to [N, C, spatial...] and back.
ValueId channels_first(ConvertContext& c, ValueId x);
ValueId channels_last(ConvertContext& c, ValueId x);

}  // namespace strop::onnx::quantized

// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/layer_norm_support.hpp"

#include "onnx/convert/emit_support.hpp"

namespace strop::onnx {

LayerNormOutputs emit_layer_norm(ConvertContext& c, ValueId x, ValueId scale, ValueId bias,
                                 const LayerNormAttributes& attributes, bool statistics,
                                 DType statistics_type) {
  const std::int64_t normalised = c.rank(x) - attributes.axis;
  const auto fits = [&](ValueId parameter) {
    return !parameter.exists() ||
           (c.type(parameter).rank() >= 0 && c.type(parameter).rank() <= normalised);
  };
  const DType dtype = scale.exists() ? c.type(scale).dtype : c.type(x).dtype;
  const bool inside = fits(scale) && fits(bias) && dtype == c.type(x).dtype;
  const auto out = c.emit_many(
      op_layer_norm(), attributes,
      {x, inside ? scale : ValueId::none(), inside ? bias : ValueId::none()}, statistics ? 3 : 1);
  LayerNormOutputs result{.y = out[0], .mean = {}, .inverse_deviation = {}};
  if (statistics) {
    result.mean = cast_to(c, out[1], statistics_type);
    result.inverse_deviation = cast_to(c, out[2], statistics_type);
  }
  if (inside) return result;
  result.y = cast_to(c, result.y, dtype);
  if (scale.exists()) result.y = binary(c, BinaryFunction::mul, result.y, scale);
  if (bias.exists()) {
    result.y = binary(c, BinaryFunction::add, result.y, cast_to(c, bias, dtype));
  }
  return result;
}

}  // namespace strop::onnx

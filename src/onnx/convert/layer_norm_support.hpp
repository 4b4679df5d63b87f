// SPDX-License-Identifier: Apache-2.0
// What the many ONNX operators around layer normalisation share.
#pragma once

#include "onnx/converter_table.hpp"
#include "ops/layer_norm.hpp"

namespace strop::onnx {

struct LayerNormOutputs {
  ValueId y, mean, inverse_deviation;
};

// layer_norm of x with scale and bias (either may be absent), which broadcast to x as a whole: what
// does not fit into the normalised axes becomes a product and a sum after it. y has the type of the
// scale, which may be another than x's.
// `statistics`: whether somebody wants the mean and the inverse deviation, in the type that
// stash_type says.
LayerNormOutputs emit_layer_norm(ConvertContext& c, ValueId x, ValueId scale, ValueId bias,
                                 const LayerNormAttributes& attributes, bool statistics = false,
                                 DType statistics_type = DType::f32);

}  // namespace strop::onnx

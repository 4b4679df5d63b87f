// SPDX-License-Identifier: Apache-2.0
// LayerNormalization, RMSNormalization, and SimplifiedLayerNormalization, which exporters wrote in
// the standard's domain before it had either: LayerNormalization too is read in any opset.
#include "ops/layer_norm.hpp"

#include "onnx/convert/emit_support.hpp"
#include "onnx/convert/layer_norm_support.hpp"

namespace strop::onnx {
namespace {

LayerNormAttributes attributes_of(ConvertContext& c, bool centred) {
  LayerNormAttributes attributes{.centred = centred};
  attributes.axis = c.axis(c.int_attribute("axis", -1), 0);
  attributes.epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-5f));
  return attributes;
}

// The type of the statistics. All is computed in at least FP32, whatever it is.
DType stash_type(ConvertContext& c) {
  const std::int64_t number = c.int_attribute("stash_type", 1);
  const auto dtype = dtype_from_onnx(number);
  if (!dtype || !kFloats.contains(*dtype)) {
    c.fail(ErrorCode::bad_attribute,
           "stash_type is " + std::to_string(number) + ", which is no floating-point type");
  }
  return *dtype;
}

void layer_norm(ConvertContext& c) {
  const LayerNormAttributes attributes = attributes_of(c, true);
  const bool statistics = c.has_output(1) || c.has_output(2);
  const auto out = emit_layer_norm(c, c.input(0), c.input(1), c.optional_input(2), attributes,
                                   statistics, stash_type(c));
  c.set_output(0, out.y);
  if (!statistics) return;
  c.set_output(1, out.mean);
  c.set_output(2, out.inverse_deviation);
}

void rms_norm(ConvertContext& c) {
  const LayerNormAttributes attributes = attributes_of(c, false);
  const bool statistics = c.op_type() == "SimplifiedLayerNormalization" && c.has_output(1);
  const auto out = emit_layer_norm(c, c.input(0), c.input(1), ValueId::none(), attributes,
                                   statistics, stash_type(c));
  c.set_output(0, out.y);
  if (statistics) c.set_output(1, out.inverse_deviation);
}

}  // namespace

void register_layer_norm(ConverterTable& table) {
  table.add("LayerNormalization", 1, layer_norm);
  table.add("RMSNormalization", 23, rms_norm);
  table.add("SimplifiedLayerNormalization", 1, rms_norm);
}

}  // namespace strop::onnx

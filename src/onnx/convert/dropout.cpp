// SPDX-License-Identifier: Apache-2.0
// Dropout leaves its input as it is outside of training; the mask then keeps every element.
#include "onnx/converter_table.hpp"
#include "ops/expand.hpp"
#include "ops/identity.hpp"
#include "ops/shape.hpp"

namespace strop::onnx {
namespace {

void emit_dropout(ConvertContext& c, DType mask_type) {
  const ValueId x = c.input(0);
  c.set_output(0, c.emit(op_identity(), NoAttributes{}, {x}));
  if (!c.has_output(1)) return;
  Tensor one = Tensor::allocate(mask_type, {});
  store_from_double(mask_type, one.mutable_data(), 0, 1.0);
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  c.set_output(1, c.emit(op_expand(), NoAttributes{}, {c.emitter().constant(one), shape}));
}

void before_10(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  c.ignore_attribute("is_test");  // left at 0 by exporters in models for inference
  c.ignore_attribute("ratio");
  emit_dropout(c, c.type(c.input(0)).dtype);
}

void by_attribute(ConvertContext& c) {
  c.ignore_attribute("ratio");
  emit_dropout(c, DType::boolean);
}

void with_training_mode(ConvertContext& c) {
  c.ignore_attribute("seed");
  if (c.has_input(2)) {
    const Tensor* training = c.constant(c.input(2));
    if (training == nullptr || training->dtype() != DType::boolean || training->size() != 1 ||
        training->values<bool>()[0]) {
      c.fail(ErrorCode::unsupported_operator, "training_mode is not the constant false",
             "export the model for inference (eval mode); Strop does not train");
    }
  }
  emit_dropout(c, DType::boolean);
}

}  // namespace

void register_dropout(ConverterTable& table) {
  table.add("Dropout", 1, before_10);
  table.add("Dropout", 10, by_attribute);
  table.add("Dropout", 12, with_training_mode);
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Reshape, Flatten, Squeeze, Unsqueeze, Expand, Shape, Size and ConstantOfShape.
#include "ops/reshape.hpp"

#include "onnx/converter_table.hpp"
#include "ops/expand.hpp"
#include "ops/fill.hpp"
#include "ops/shape.hpp"
#include "ops/size.hpp"
#include "ops/squeeze.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

void reshape_to_attribute(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  const ValueId shape = c.emitter().integers(c.ints_attribute("shape"));
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{}, {c.input(0), shape}));
}

void reshape(ConvertContext& c) {
  const bool allow_zero = c.opset() >= 14 && c.int_attribute("allowzero", 0) != 0;
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{.allow_zero = allow_zero},
                         {c.input(0), c.input(1)}));
}

void flatten(ConvertContext& c) {
  const std::int64_t axis = c.int_attribute("axis", 1);
  if (axis < 0 && c.opset() < 11) {
    c.fail(ErrorCode::bad_attribute, "axis " + std::to_string(axis) + " is negative",
           "negative axes of Flatten are legal from opset 11");
  }
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{.flatten_axis = axis}, {c.input(0)}));
}

// Axes are an attribute before opset 13, an input from there on.
ValueId axes_of(ConvertContext& c) {
  if (c.opset() >= 13) return c.optional_input(1);
  if (!c.has_attribute("axes")) return ValueId::none();
  return c.emitter().integers(c.ints_attribute("axes"));
}

void squeeze(ConvertContext& c) {
  c.set_output(0, c.emit(op_squeeze(), NoAttributes{}, {c.input(0), axes_of(c)}));
}

void unsqueeze(ConvertContext& c) {
  const ValueId axes = axes_of(c);
  if (!axes.exists()) c.fail(ErrorCode::model_malformed, "Unsqueeze needs axes");
  c.set_output(0, c.emit(op_unsqueeze(), NoAttributes{}, {c.input(0), axes}));
}

void expand(ConvertContext& c) {
  c.set_output(0, c.emit(op_expand(), NoAttributes{}, {c.input(0), c.input(1)}));
}

void shape(ConvertContext& c) {
  ShapeAttributes attributes;
  if (c.opset() >= 15) {
    attributes.start = c.int_attribute("start", 0);
    if (c.has_attribute("end")) attributes.end = c.int_attribute("end");
  }
  c.set_output(0, c.emit(op_shape(), attributes, {c.input(0)}));
}

void size(ConvertContext& c) { c.set_output(0, c.emit(op_size(), NoAttributes{}, {c.input(0)})); }

void constant_of_shape(ConvertContext& c) {
  FillAttributes attributes;
  if (c.has_attribute("value")) attributes.value = c.tensor_attribute("value");
  c.set_output(0, c.emit(op_fill(), attributes, {c.input(0)}));
}

}  // namespace

void register_reshape(ConverterTable& table) {
  table.add("Reshape", 1, reshape_to_attribute);
  table.add("Reshape", 5, reshape);
  table.add("Flatten", 1, flatten);
  table.add("Squeeze", 1, squeeze);
  table.add("Unsqueeze", 1, unsqueeze);
  table.add("Expand", 8, expand);
  table.add("Shape", 1, shape);
  table.add("Size", 1, size);
  table.add("ConstantOfShape", 9, constant_of_shape);
}

}  // namespace strop::onnx

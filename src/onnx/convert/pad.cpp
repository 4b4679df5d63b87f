// SPDX-License-Identifier: Apache-2.0
// Pad: all in attributes before opset 11 (`paddings` at opset 1), axes from 18, mode wrap from 19.
#include "ops/pad.hpp"

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

PadAttributes attributes_of(ConvertContext& c) {
  const auto mode = enum_attribute<PadMode>(c, "mode", "constant");
  if (mode == PadMode::wrap && c.opset() < 19) {
    c.fail(ErrorCode::bad_attribute, "mode is \"wrap\"", "Pad has this mode from opset 19 on");
  }
  return {.mode = mode};
}

void pad_by_attributes(ConvertContext& c) {
  const PadAttributes attributes = attributes_of(c);
  const ValueId x = c.input(0);
  const ValueId pads = c.emitter().integers(c.ints_attribute(c.opset() < 2 ? "paddings" : "pads"));
  const float number = c.float_attribute("value", 0.0f);
  ValueId value = ValueId::none();
  if (number != 0) {
    const DType dtype = c.type(x).dtype;
    if (!kNumbers.contains(dtype)) {
      c.fail(ErrorCode::bad_type,
             "Pad before opset 11 takes numbers, not " + std::string(to_string(dtype)));
    }
    Tensor scalar = Tensor::allocate(dtype, {});
    store_from_double(dtype, scalar.mutable_data(), 0, number);
    value = c.emitter().constant(scalar);
  }
  c.set_output(0, c.emit(op_pad(), attributes, {x, pads, value}));
}

void pad(ConvertContext& c) {
  const PadAttributes attributes = attributes_of(c);
  const ValueId axes = c.opset() >= 18 ? c.optional_input(3) : ValueId::none();
  c.set_output(0,
               c.emit(op_pad(), attributes, {c.input(0), c.input(1), c.optional_input(2), axes}));
}

}  // namespace

void register_pad(ConverterTable& table) {
  table.add("Pad", 1, pad_by_attributes);
  table.add("Pad", 11, pad);
}

}  // namespace strop::onnx

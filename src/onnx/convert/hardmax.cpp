// SPDX-License-Identifier: Apache-2.0
// Hardmax. Before opset 13 it flattens its input to two dimensions at `axis` (default 1), as
// Softmax did.
#include "ops/hardmax.hpp"

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"

namespace strop::onnx {
namespace {

void along_axis(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", -1), 0);
  c.set_output(0, c.emit(op_hardmax(), HardmaxAttributes{.axis = axis}, {c.input(0)}));
}

void flattened(ConvertContext& c) {
  const std::int64_t axis = c.axis(c.int_attribute("axis", 1), 0);
  const ValueId x = c.input(0);
  const ValueId matrix = c.emit(op_reshape(), ReshapeAttributes{.flatten_axis = axis}, {x});
  const ValueId y = c.emit(op_hardmax(), HardmaxAttributes{.axis = 1}, {matrix});
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{}, {y, shape}));
}

}  // namespace

void register_hardmax(ConverterTable& table) {
  table.add("Hardmax", 1, flattened);
  table.add("Hardmax", 13, along_axis);
}

}  // namespace strop::onnx

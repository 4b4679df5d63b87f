// SPDX-License-Identifier: Apache-2.0
// Softmax and LogSoftmax. Before opset 13 they flatten their input to two dimensions at `axis`
// (default 1).
#include "ops/softmax.hpp"

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"

namespace strop::onnx {
namespace {

template <bool kLog>
void along_axis(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", -1), 0);
  c.set_output(0, c.emit(op_softmax(), SoftmaxAttributes{.axis = axis, .log = kLog}, {c.input(0)}));
}

template <bool kLog>
void flattened(ConvertContext& c) {
  const std::int64_t axis = c.axis(c.int_attribute("axis", 1), 0);
  const ValueId x = c.input(0);
  if (axis == c.rank(x) - 1) {  // the flattened axis is a single one
    c.set_output(0, c.emit(op_softmax(), SoftmaxAttributes{.axis = axis, .log = kLog}, {x}));
    return;
  }
  const ValueId matrix = c.emit(op_reshape(), ReshapeAttributes{.flatten_axis = axis}, {x});
  const ValueId y = c.emit(op_softmax(), SoftmaxAttributes{.axis = 1, .log = kLog}, {matrix});
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  c.set_output(0, c.emit(op_reshape(), ReshapeAttributes{}, {y, shape}));
}

}  // namespace

void register_softmax(ConverterTable& table) {
  table.add("Softmax", 1, flattened<false>);
  table.add("Softmax", 13, along_axis<false>);
  table.add("LogSoftmax", 1, flattened<true>);
  table.add("LogSoftmax", 13, along_axis<true>);
}

}  // namespace strop::onnx

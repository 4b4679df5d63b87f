// SPDX-License-Identifier: Apache-2.0
// Picking and writing elements by index: GatherElements, GatherND, Scatter, ScatterElements,
// ScatterND, TensorScatter and ReverseSequence. Reductions came with opset 16, min and max with 18.
#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/gather_elements.hpp"
#include "ops/gather_nd.hpp"
#include "ops/reverse_sequence.hpp"
#include "ops/scatter_elements.hpp"
#include "ops/scatter_nd.hpp"
#include "ops/tensor_scatter.hpp"

namespace strop::onnx {
namespace {

ScatterReduction reduction_of(ConvertContext& c) {
  if (c.opset() < 16) return ScatterReduction::none;
  const auto reduction = enum_attribute<ScatterReduction>(c, "reduction", "none");
  if (c.opset() < 18 &&
      (reduction == ScatterReduction::min || reduction == ScatterReduction::max)) {
    c.fail(ErrorCode::bad_attribute, "reduction is \"" + c.string_attribute("reduction") + "\"",
           "before opset 18 it may be none, add or mul");
  }
  return reduction;
}

void gather_elements(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0);
  c.set_output(0, c.emit(op_gather_elements(), GatherElementsAttributes{.axis = axis},
                         {c.input(0), c.input(1)}));
}

void gather_nd(ConvertContext& c) {
  GatherNdAttributes attributes;
  if (c.opset() >= 12) attributes.batch_dims = c.int_attribute("batch_dims", 0);
  c.set_output(0, c.emit(op_gather_nd(), attributes, {c.input(0), c.input(1)}));
}

void scatter_elements(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0);
  const ScatterElementsAttributes attributes{.axis = axis, .reduction = reduction_of(c)};
  c.set_output(0, c.emit(op_scatter_elements(), attributes, {c.input(0), c.input(1), c.input(2)}));
}

// Deprecated since opset 11, where it means what ScatterElements did then.
void old_scatter(ConvertContext& c) {
  const std::int64_t axis = axis_if_ranked(c, c.int_attribute("axis", 0), 0);
  c.set_output(0, c.emit(op_scatter_elements(), ScatterElementsAttributes{.axis = axis},
                         {c.input(0), c.input(1), c.input(2)}));
}

void scatter_nd(ConvertContext& c) {
  c.set_output(0, c.emit(op_scatter_nd(), ScatterNdAttributes{.reduction = reduction_of(c)},
                         {c.input(0), c.input(1), c.input(2)}));
}

void tensor_scatter(ConvertContext& c) {
  TensorScatterAttributes attributes;
  attributes.axis = axis_if_ranked(c, c.int_attribute("axis", -2), 0);
  const std::string mode = c.string_attribute("mode", "linear");
  if (mode != "linear" && mode != "circular") {
    c.fail(ErrorCode::bad_attribute, "mode is \"" + mode + "\"", "it may be linear or circular");
  }
  attributes.circular = mode == "circular";
  c.set_output(
      0, c.emit(op_tensor_scatter(), attributes, {c.input(0), c.input(1), c.optional_input(2)}));
}

void reverse_sequence(ConvertContext& c) {
  ReverseSequenceAttributes attributes;
  attributes.batch_axis = c.int_attribute("batch_axis", 1);
  attributes.time_axis = c.int_attribute("time_axis", 0);
  c.set_output(0, c.emit(op_reverse_sequence(), attributes, {c.input(0), c.input(1)}));
}

}  // namespace

void register_scatter(ConverterTable& table) {
  table.add("GatherElements", 11, gather_elements);
  table.add("GatherND", 11, gather_nd);
  table.add("Scatter", 9, old_scatter);
  table.add("ScatterElements", 11, scatter_elements);
  table.add("ScatterND", 11, scatter_nd);
  table.add("TensorScatter", 24, tensor_scatter);
  table.add("ReverseSequence", 10, reverse_sequence);
}

}  // namespace strop::onnx

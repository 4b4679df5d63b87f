// SPDX-License-Identifier: Apache-2.0
// Choosing elements by their values: TopK, Unique, Compress and NonMaxSuppression; and OneHot.
#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/cast.hpp"
#include "ops/gather.hpp"
#include "ops/non_max_suppression.hpp"
#include "ops/non_zero.hpp"
#include "ops/one_hot.hpp"
#include "ops/reshape.hpp"
#include "ops/squeeze.hpp"
#include "ops/top_k.hpp"
#include "ops/unique.hpp"

namespace strop::onnx {
namespace {

// k is an attribute in opset 1, an input from 10 on; what is not the largest came with 11.
void top_k(ConvertContext& c) {
  TopKAttributes attributes;
  attributes.axis = axis_if_ranked(c, c.int_attribute("axis", -1), 0);
  if (c.opset() >= 11) {
    attributes.largest = c.int_attribute("largest", 1) != 0;
    attributes.sorted = c.int_attribute("sorted", 1) != 0;
  }
  const ValueId k = c.opset() < 10 ? c.emitter().integers({c.int_attribute("k")}) : c.input(1);
  c.set_outputs(c.emit_many(op_top_k(), attributes, {c.input(0), k}, c.output_count()));
}

void unique(ConvertContext& c) {
  UniqueAttributes attributes;
  if (c.has_attribute("axis")) attributes.axis = axis_if_ranked(c, c.int_attribute("axis"), 0);
  attributes.sorted = c.int_attribute("sorted", 1) != 0;
  c.set_outputs(c.emit_many(op_unique(), attributes, {c.input(0)}, c.output_count()));
}

// Where the condition holds is what is gathered. An index past the end is an error then, as a
// condition that holds there is.
void compress(ConvertContext& c) {
  ValueId x = c.input(0);
  const ValueId condition = c.input(1);
  if (c.type(condition).is_tensor() && c.type(condition).dtype != DType::boolean) {
    c.fail(ErrorCode::bad_type, "the condition is " + c.type(condition).to_string(),
           "it must be a vector of bool");
  }
  if (const std::int64_t rank = c.type(condition).rank(); rank >= 0 && rank != 1) {
    c.fail(ErrorCode::bad_shape, "the condition is " + c.type(condition).to_string(),
           "it must be a vector of bool");
  }
  std::int64_t axis = 0;
  if (c.has_attribute("axis")) {
    axis = axis_if_ranked(c, c.int_attribute("axis"), 0);
  } else {
    x = c.emit(op_reshape(), ReshapeAttributes{}, {x, c.emitter().integers({-1})});
  }
  const ValueId places = c.emit(op_non_zero(), NoAttributes{}, {condition});  // [1, count]
  const ValueId indices = c.emit(op_squeeze(), NoAttributes{}, {places, c.emitter().integers({0})});
  c.set_output(0, c.emit(op_gather(), GatherAttributes{.axis = axis}, {x, indices}));
}

ValueId as_i64(ConvertContext& c, ValueId x) {
  return c.emit(op_cast(), CastAttributes{.to = DType::i64}, {x});
}

// Indices and depth may be floats, which are cast to i64.
void one_hot(ConvertContext& c) {
  ValueId indices = c.input(0), depth = c.input(1);
  OneHotAttributes attributes{.axis = c.int_attribute("axis", -1)};
  if (const std::int64_t rank = c.type(indices).rank(); rank >= 0) {
    attributes.axis = normalize_axis(attributes.axis, rank + 1);
  }
  // Before opset 11 a negative index was out of range.
  attributes.from_end = c.opset() >= 11;
  if (kFloats.contains(c.type(indices).dtype)) indices = as_i64(c, indices);
  if (const Tensor* known = c.constant(depth);
      known != nullptr && known->size() == 1 && kFloats.contains(known->dtype())) {
    Tensor number = Tensor::allocate(DType::i64, known->shape());
    store_from_double(DType::i64, number.mutable_data(), 0,
                      load_as_double(known->dtype(), known->data(), 0));
    depth = c.emitter().constant(number);
  } else if (kNumbers.contains(c.type(depth).dtype) && c.type(depth).dtype != DType::i64) {
    depth = as_i64(c, depth);
  }
  c.set_output(0, c.emit(op_one_hot(), attributes, {indices, depth, c.input(2)}));
}

void non_max_suppression(ConvertContext& c) {
  const std::int64_t format = c.int_attribute("center_point_box", 0);
  if (format != 0 && format != 1) {
    c.fail(ErrorCode::bad_attribute, "center_point_box is " + std::to_string(format),
           "it may be 0, opposite corners, or 1, center and size");
  }
  const NonMaxSuppressionAttributes attributes{.format = format == 1 ? BoxFormat::center
                                                                     : BoxFormat::corners};
  c.set_output(0, c.emit(op_non_max_suppression(), attributes,
                         {c.input(0), c.input(1), c.optional_input(2), c.optional_input(3),
                          c.optional_input(4)}));
}

}  // namespace

void register_selection(ConverterTable& table) {
  table.add("TopK", 1, top_k);
  table.add("Unique", 11, unique);
  table.add("Compress", 9, compress);
  table.add("OneHot", 9, one_hot);
  table.add("NonMaxSuppression", 10, non_max_suppression);
}

}  // namespace strop::onnx

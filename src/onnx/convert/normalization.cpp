// SPDX-License-Identifier: Apache-2.0
// LRN, InstanceNormalization, GroupNormalization, and MeanVarianceNormalization: that one over any
// axes, as reductions and arithmetic, in FP32 for the 16-bit types.
#include "onnx/convert/emit_support.hpp"
#include "ops/expand.hpp"
#include "ops/group_norm.hpp"
#include "ops/lrn.hpp"
#include "ops/reduce.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

void lrn(ConvertContext& c) {
  LrnAttributes attributes;
  attributes.size = c.int_attribute("size");
  attributes.alpha = static_cast<double>(c.float_attribute("alpha", 1e-4f));
  attributes.beta = static_cast<double>(c.float_attribute("beta", 0.75f));
  attributes.bias = static_cast<double>(c.float_attribute("bias", 1.0f));
  c.set_output(0, c.emit(op_lrn(), attributes, {c.input(0)}));
}

void instance_norm(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  if (const std::int64_t rank = c.type(c.input(0)).rank(); rank >= 0 && rank < 3) {
    c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  }
  GroupNormAttributes attributes;
  attributes.epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-5f));
  c.set_output(0, c.emit(op_group_norm(), attributes, {c.input(0), c.input(1), c.input(2)}));
}

// A parameter of each group, for each channel of x.
ValueId per_channel(ConvertContext& c, ValueId parameter, ValueId x, std::int64_t groups) {
  const ValueId count = integers(c, {groups});
  const ValueId shared = binary(c, B::div, size_along(c, x, 1), count);
  const ValueId column = reshaped(c, parameter, {groups, 1});
  const ValueId table =
      c.emit(op_expand(), NoAttributes{}, {column, concatenated(c, {count, shared}, 0)});
  return c.emit(op_reshape(), ReshapeAttributes{.allow_zero = true}, {table, size_along(c, x, 1)});
}

void group_norm(ConvertContext& c) {
  const ValueId x = c.input(0);
  GroupNormAttributes attributes;
  attributes.groups = c.int_attribute("num_groups");
  attributes.epsilon = static_cast<double>(c.float_attribute("epsilon", 1e-5f));
  if (attributes.groups < 1) {
    c.fail(ErrorCode::bad_attribute,
           "num_groups is " + std::to_string(attributes.groups) + ", but must be positive");
  }
  if (const std::int64_t channels = known_size(c, x, 1); channels % attributes.groups > 0) {
    c.fail(ErrorCode::bad_attribute, "num_groups " + std::to_string(attributes.groups) +
                                         " does not divide the " + std::to_string(channels) +
                                         " channels");
  }
  ValueId scale = c.input(1), bias = c.input(2);
  if (c.opset() >= 21) {
    c.ignore_attribute("stash_type");  // everything is computed in FP32 at least
  } else {  // scale and bias belong to groups before opset 21, from there on to channels
    scale = per_channel(c, scale, x, attributes.groups);
    bias = per_channel(c, bias, x, attributes.groups);
  }
  c.set_output(0, c.emit(op_group_norm(), attributes, {x, scale, bias}));
}

void mean_variance_norm(ConvertContext& c) {
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype, wide = dtype == DType::f64 ? dtype : DType::f32;
  const ValueId axes = integers(c, c.ints_attribute("axes", {0, 2, 3}));
  const auto mean = [&](ValueId of) {
    return c.emit(op_reduce(), ReduceAttributes{.function = ReduceFunction::mean}, {of, axes});
  };
  const ValueId input = cast_to(c, x, wide);
  const ValueId centred = binary(c, B::sub, input, mean(input));
  const ValueId variance = mean(binary(c, B::mul, centred, centred));
  const ValueId deviation = unary(c, {UnaryFunction::sqrt}, variance);
  const ValueId y = binary(c, B::div, centred, binary(c, B::add, deviation, scalar(c, wide, 1e-9)));
  c.set_output(0, cast_to(c, y, dtype));
}

}  // namespace

void register_normalization(ConverterTable& table) {
  table.add("LRN", 1, lrn);
  table.add("InstanceNormalization", 1, instance_norm);
  table.add("GroupNormalization", 18, group_norm);
  table.add("MeanVarianceNormalization", 9, mean_variance_norm);
}

}  // namespace strop::onnx

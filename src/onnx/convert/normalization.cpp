// SPDX-License-Identifier: Apache-2.0
// BatchNormalization (with given statistics), LRN, and normalisations that compute statistics of
// their input: those become reductions and arithmetic, in FP32 for the 16-bit types.
#include <numeric>

#include "onnx/converter_table.hpp"
#include "ops/batch_norm.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/lrn.hpp"
#include "ops/reduce.hpp"
#include "ops/reshape.hpp"
#include "ops/shape.hpp"
#include "ops/unary.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

ValueId arithmetic(ConvertContext& c, B function, ValueId a, ValueId b) {
  return c.emit(op_binary(), BinaryAttributes{function}, {a, b});
}

ValueId number(ConvertContext& c, DType dtype, float value) {
  Tensor scalar = Tensor::allocate(dtype, {});
  store_from_double(dtype, scalar.mutable_data(), 0, static_cast<double>(value));
  return c.emitter().constant(scalar);
}

ValueId cast_to(ConvertContext& c, ValueId x, DType to) {
  return c.type(x).dtype == to ? x : c.emit(op_cast(), CastAttributes{.to = to}, {x});
}

ValueId mean_over(ConvertContext& c, ValueId x, ValueId axes) {
  return c.emit(op_reduce(), ReduceAttributes{.function = ReduceFunction::mean}, {x, axes});
}

// (x - mean) / deviation, and both statistics; x in its own type or FP32.
struct Normalized {
  ValueId value, mean, inverse_deviation;
};
Normalized normalize(ConvertContext& c, ValueId x, ValueId axes, float epsilon) {
  const DType dtype = c.type(x).dtype;
  const ValueId mean = mean_over(c, x, axes);
  const ValueId centred = arithmetic(c, B::sub, x, mean);
  const ValueId variance = mean_over(c, arithmetic(c, B::mul, centred, centred), axes);
  const ValueId deviation = c.emit(op_unary(), UnaryAttributes{UnaryFunction::sqrt},
                                   {arithmetic(c, B::add, variance, number(c, dtype, epsilon))});
  const ValueId inverse =
      c.emit(op_unary(), UnaryAttributes{UnaryFunction::reciprocal}, {deviation});
  return {arithmetic(c, B::mul, centred, inverse), mean, inverse};
}

DType statistics_type(ConvertContext& c, ValueId x) {
  return c.type(x).dtype == DType::f64 ? DType::f64 : DType::f32;
}

ValueId axes_from(ConvertContext& c, std::int64_t first, std::int64_t rank) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(std::max<std::int64_t>(0, rank - first)));
  std::iota(axes.begin(), axes.end(), first);
  return c.emitter().integers(axes);
}

// A parameter per channel against x of this rank: [C] to [C, 1, ...].
ValueId per_channel(ConvertContext& c, ValueId parameter, std::int64_t rank) {
  if (rank <= 2) return parameter;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank - 1), 1);
  shape[0] = -1;
  return c.emit(op_reshape(), ReshapeAttributes{}, {parameter, c.emitter().integers(shape)});
}

void refuse_training(ConvertContext& c) {
  c.fail(ErrorCode::unsupported_operator, "the model normalises with the statistics of the batch",
         "export the model for inference (eval mode); Strop does not train");
}

void refuse_statistics_outputs(ConvertContext& c) {
  for (std::size_t i = 1; i < c.output_count(); ++i) {
    if (c.has_output(i)) refuse_training(c);
  }
}

void batch_norm(ConvertContext& c, bool spatial) {
  const float epsilon = c.float_attribute("epsilon", 1e-5f);
  c.ignore_attribute("momentum");
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < 5; ++i) inputs.push_back(c.input(i));
  if (spatial) {
    const BatchNormAttributes attributes{.epsilon = static_cast<double>(epsilon)};
    return c.set_output(0, c.emit(op_batch_norm(), attributes, inputs));
  }
  // A statistic per element of a sample: shapes [C, D1, ...] broadcast over the batch.
  const DType dtype = c.type(inputs[0]).dtype;
  const ValueId variance = arithmetic(c, B::add, inputs[4], number(c, dtype, epsilon));
  const ValueId deviation = c.emit(op_unary(), UnaryAttributes{UnaryFunction::sqrt}, {variance});
  const ValueId centred = arithmetic(c, B::sub, inputs[0], inputs[3]);
  const ValueId scaled =
      arithmetic(c, B::mul, arithmetic(c, B::div, centred, deviation), inputs[1]);
  c.set_output(0, arithmetic(c, B::add, scaled, inputs[2]));
}

void batch_norm_1(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  // Many exporters left is_test at 0 in models for inference; only wanted statistics tell training.
  c.ignore_attribute("is_test");
  refuse_statistics_outputs(c);
  batch_norm(c, c.int_attribute("spatial", 1) != 0);
}

void batch_norm_7(ConvertContext& c) {
  refuse_statistics_outputs(c);
  batch_norm(c, c.opset() >= 9 || c.int_attribute("spatial", 1) != 0);
}

void batch_norm_14(ConvertContext& c) {
  if (c.int_attribute("training_mode", 0) != 0) refuse_training(c);
  refuse_statistics_outputs(c);
  batch_norm(c, true);
}

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
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype, wide = statistics_type(c, x);
  const std::int64_t rank = c.rank(x);
  if (rank < 3) c.fail(ErrorCode::bad_shape, "needs at least one spatial axis");
  const float epsilon = c.float_attribute("epsilon", 1e-5f);
  const auto parameter = [&](std::size_t i) {
    return per_channel(c, cast_to(c, c.input(i), wide), rank);
  };
  const ValueId y = normalize(c, cast_to(c, x, wide), axes_from(c, 2, rank), epsilon).value;
  const ValueId scaled = arithmetic(c, B::mul, y, parameter(1));
  c.set_output(0, cast_to(c, arithmetic(c, B::add, scaled, parameter(2)), dtype));
}

void layer_norm(ConvertContext& c) {
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype, wide = statistics_type(c, x);
  const std::int64_t axis = c.axis(c.int_attribute("axis", -1), 0);
  const float epsilon = c.float_attribute("epsilon", 1e-5f);
  c.ignore_attribute("stash_type");  // statistics are never narrower than FP32
  const Normalized y = normalize(c, cast_to(c, x, wide), axes_from(c, axis, c.rank(x)), epsilon);
  ValueId result = arithmetic(c, B::mul, y.value, cast_to(c, c.input(1), wide));
  if (c.has_input(2)) result = arithmetic(c, B::add, result, cast_to(c, c.input(2), wide));
  c.set_output(0, cast_to(c, result, dtype));
  if (c.has_output(1)) c.set_output(1, cast_to(c, y.mean, DType::f32));
  if (c.has_output(2)) c.set_output(2, cast_to(c, y.inverse_deviation, DType::f32));
}

// Groups of channels are normalised as one: [N, G, rest], and back.
void group_norm(ConvertContext& c) {
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype, wide = statistics_type(c, x);
  const std::int64_t rank = c.rank(x), groups = c.int_attribute("num_groups");
  const float epsilon = c.float_attribute("epsilon", 1e-5f);
  if (c.opset() >= 21) c.ignore_attribute("stash_type");
  const auto& shape = *c.type(x).shape;
  if (groups < 1 || rank < 2 || (shape[1].is_constant() && shape[1].value() % groups != 0)) {
    c.fail(ErrorCode::bad_attribute,
           "num_groups " + std::to_string(groups) + " does not divide the channels");
  }
  const ReshapeAttributes plain;
  const ValueId split =
      c.emit(op_reshape(), plain, {cast_to(c, x, wide), c.emitter().integers({0, groups, -1})});
  ValueId y = normalize(c, split, c.emitter().integers({2}), epsilon).value;
  const ValueId whole = c.emit(op_shape(), ShapeAttributes{}, {x});
  const auto parameter = [&](std::size_t i) { return cast_to(c, c.input(i), wide); };
  // Before opset 21 scale and bias belong to groups, from there on to channels.
  if (c.opset() < 21) {
    y = arithmetic(c, B::mul, y, per_channel(c, parameter(1), 3));
    y = arithmetic(c, B::add, y, per_channel(c, parameter(2), 3));
    y = c.emit(op_reshape(), plain, {y, whole});
  } else {
    y = c.emit(op_reshape(), plain, {y, whole});
    y = arithmetic(c, B::mul, y, per_channel(c, parameter(1), rank));
    y = arithmetic(c, B::add, y, per_channel(c, parameter(2), rank));
  }
  c.set_output(0, cast_to(c, y, dtype));
}

void mean_variance_norm(ConvertContext& c) {
  const ValueId x = c.input(0);
  const auto axes = c.ints_attribute("axes", {0, 2, 3});
  const DType dtype = c.type(x).dtype;
  const ValueId wide = cast_to(c, x, statistics_type(c, x));
  const ValueId y = normalize(c, wide, c.emitter().integers(axes), 1e-9f).value;
  c.set_output(0, cast_to(c, y, dtype));
}

}  // namespace

void register_normalization(ConverterTable& table) {
  table.add("BatchNormalization", 1, batch_norm_1);
  table.add("BatchNormalization", 7, batch_norm_7);
  table.add("BatchNormalization", 14, batch_norm_14);
  table.add("LRN", 1, lrn);
  table.add("InstanceNormalization", 1, instance_norm);
  table.add("LayerNormalization", 17, layer_norm);
  table.add("GroupNormalization", 18, group_norm);
  table.add("MeanVarianceNormalization", 9, mean_variance_norm);
}

}  // namespace strop::onnx

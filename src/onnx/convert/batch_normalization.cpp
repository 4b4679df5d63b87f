// SPDX-License-Identifier: Apache-2.0
// BatchNormalization, with given statistics or, in its training forms, with those of the batch. The
// training form is what training_mode says from opset 14 on; before, that the model wants more than
// the first output (is_test alone says nothing: exporters left it at 0 in models for inference).
// Statistics are in FP32 for the 16-bit types; the variance is that of the population.
#include "onnx/convert/arithmetic_support.hpp"
#include "ops/batch_norm.hpp"
#include "ops/reduce.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

// A parameter per channel against x of this rank: [C] to [C, 1, ...].
ValueId per_channel(ConvertContext& c, ValueId parameter, std::int64_t rank) {
  if (rank <= 2) return parameter;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rank - 1), 1);
  shape[0] = -1;
  return reshaped(c, parameter, shape);
}

bool wants_statistics(ConvertContext& c) {
  for (std::size_t i = 1; i < c.output_count(); ++i) {
    if (c.has_output(i)) return true;
  }
  return false;
}

struct Statistics {
  ValueId mean, variance;
};

// Of the batch: a number per channel, or with spatial=0 one per element of a sample.
Statistics statistics_of_batch(ConvertContext& c, bool spatial) {
  const ValueId x = cast_to(c, c.input(0), wide_type(c.type(c.input(0)).dtype));
  const std::int64_t rank = c.rank(x);
  if (rank == 0) c.fail(ErrorCode::bad_shape, "a scalar has no channels");
  std::vector<std::int64_t> axes = {0};
  for (std::int64_t a = 2; a < rank && spatial; ++a) axes.push_back(a);
  // Without a channel axis there is one channel.
  const ReduceAttributes mean_of{.function = ReduceFunction::mean, .keep_dims = rank == 1};
  const ValueId over = c.emitter().integers(axes);
  const ValueId mean = c.emit(op_reduce(), mean_of, {x, over});
  const ValueId centred = binary(c, B::sub, x, spatial ? per_channel(c, mean, rank) : mean);
  const ValueId squares = binary(c, B::mul, centred, centred);
  return {mean, c.emit(op_reduce(), mean_of, {squares, over})};
}

void normalize(ConvertContext& c, bool spatial, float epsilon, const Statistics& statistics) {
  const ValueId x = c.input(0), scale = c.input(1), bias = c.input(2);
  if (spatial) {
    const BatchNormAttributes attributes{.epsilon = static_cast<double>(epsilon)};
    return c.set_output(0, c.emit(op_batch_norm(), attributes,
                                  {x, scale, bias, statistics.mean, statistics.variance}));
  }
  // Shapes [C, D1, ...] broadcast over the batch.
  const DType dtype = c.type(x).dtype, wide = c.type(statistics.mean).dtype;
  const ValueId variance =
      binary(c, B::add, statistics.variance, scalar(c, wide, static_cast<double>(epsilon)));
  const ValueId deviation = unary(c, {UnaryFunction::sqrt}, variance);
  const ValueId centred = binary(c, B::sub, cast_to(c, x, wide), statistics.mean);
  const ValueId scaled =
      binary(c, B::mul, binary(c, B::div, centred, deviation), cast_to(c, scale, wide));
  c.set_output(0, cast_to(c, binary(c, B::add, scaled, cast_to(c, bias, wide)), dtype));
}

// old * momentum + new * (1 - momentum), in the type of the old ones.
ValueId moved_on(ConvertContext& c, std::size_t input, ValueId batch, float momentum) {
  const DType dtype = c.type(c.input(input)).dtype, wide = c.type(batch).dtype;
  const auto m = static_cast<double>(momentum);
  const ValueId before = binary(c, B::mul, cast_to(c, c.input(input), wide), scalar(c, wide, m));
  const ValueId now = binary(c, B::mul, batch, scalar(c, wide, 1 - m));
  return cast_to(c, binary(c, B::add, before, now), dtype);
}

void batch_norm(ConvertContext& c, bool spatial, bool training) {
  const float epsilon = c.float_attribute("epsilon", 1e-5f);
  const float momentum = c.float_attribute("momentum", 0.9f);
  if (!training) return normalize(c, spatial, epsilon, {c.input(3), c.input(4)});
  const Statistics batch = statistics_of_batch(c, spatial);
  normalize(c, spatial, epsilon, batch);
  if (c.has_output(1)) c.set_output(1, moved_on(c, 3, batch.mean, momentum));
  if (c.has_output(2)) c.set_output(2, moved_on(c, 4, batch.variance, momentum));
  if (c.opset() >= 14) return;
  const DType dtype = c.type(c.input(3)).dtype;
  if (c.has_output(3)) c.set_output(3, cast_to(c, batch.mean, dtype));
  if (c.has_output(4)) c.set_output(4, cast_to(c, batch.variance, dtype));
}

void refuse_statistics(ConvertContext& c, const char* unless) {
  if (!wants_statistics(c)) return;
  c.fail(ErrorCode::model_malformed,
         std::string("outputs after the first are of training, and ") + unless);
}

void before_7(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  if (c.int_attribute("is_test", 0) != 0) refuse_statistics(c, "is_test is set");
  batch_norm(c, c.int_attribute("spatial", 1) != 0, wants_statistics(c));
}

void before_14(ConvertContext& c) {
  const bool spatial = c.opset() >= 9 || c.int_attribute("spatial", 1) != 0;
  batch_norm(c, spatial, wants_statistics(c));
}

void by_training_mode(ConvertContext& c) {
  const bool training = c.int_attribute("training_mode", 0) != 0;
  if (!training) refuse_statistics(c, "training_mode is not set");
  batch_norm(c, true, training);
}

}  // namespace

void register_batch_normalization(ConverterTable& table) {
  table.add("BatchNormalization", 1, before_7);
  table.add("BatchNormalization", 7, before_14);
  table.add("BatchNormalization", 14, by_training_mode);
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/ml_support.hpp"

#include "ops/arg_reduce.hpp"
#include "ops/cast.hpp"
#include "ops/concat.hpp"
#include "ops/gather.hpp"
#include "ops/probit.hpp"
#include "ops/softmax.hpp"
#include "ops/softmax_zero.hpp"
#include "ops/squeeze.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {

ScoreTransform post_transform_attribute(ConvertContext& c) {
  const std::string name = c.string_attribute("post_transform", "NONE");
  if (name == "NONE") return ScoreTransform::none;
  if (name == "SOFTMAX") return ScoreTransform::softmax;
  if (name == "LOGISTIC") return ScoreTransform::logistic;
  if (name == "SOFTMAX_ZERO") return ScoreTransform::softmax_zero;
  if (name == "PROBIT") return ScoreTransform::probit;
  c.fail(ErrorCode::bad_attribute,
         "post_transform is \"" + name +
             "\"; it may be NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
}

ValueId transformed(ConvertContext& c, ScoreTransform transform, ValueId scores,
                    std::int64_t columns) {
  if (columns == 1 && transform != ScoreTransform::probit) return scores;
  switch (transform) {
    case ScoreTransform::none:
      return scores;
    case ScoreTransform::softmax:
      return c.emit(op_softmax(), SoftmaxAttributes{.axis = 1}, {scores});
    case ScoreTransform::logistic:
      return unary(c, UnaryFunction::sigmoid, scores);
    case ScoreTransform::softmax_zero:
      return c.emit(op_softmax_zero(), NoAttributes{}, {scores});
    case ScoreTransform::probit:
      return c.emit(op_probit(), NoAttributes{}, {scores});
  }
  c.fail(ErrorCode::internal, "a transform of scores that is none");
}

Tensor labels_attribute(ConvertContext& c, std::string_view integers, std::string_view strings) {
  const auto numbers = c.ints_attribute(integers);
  auto texts = c.strings_attribute(strings);
  if (numbers.empty() == texts.empty()) {
    c.fail(ErrorCode::bad_attribute, "it needs one of " + std::string(integers) + " and " +
                                         std::string(strings) + ", and not both");
  }
  if (texts.empty()) {
    return Tensor::from<std::int64_t>({static_cast<std::int64_t>(numbers.size())}, numbers);
  }
  const auto count = static_cast<std::int64_t>(texts.size());
  return Tensor::from_strings({count}, std::move(texts));
}

ValueId labels_at(ConvertContext& c, const Tensor& labels, ValueId indices) {
  return c.emit(op_gather(), GatherAttributes{.axis = 0}, {c.emitter().constant(labels), indices});
}

ValueId label_of_largest(ConvertContext& c, const Tensor& labels, ValueId scores) {
  const ValueId at =
      c.emit(op_arg_reduce(), ArgReduceAttributes{.axis = 1, .keep_dims = false}, {scores});
  return labels_at(c, labels, at);
}

ValueId label_by_threshold(ConvertContext& c, const Tensor& labels, ValueId scores,
                           float threshold) {
  const DType dtype = c.type(scores).dtype;
  const ValueId above =
      binary(c, BinaryFunction::greater, scores, scalar(c, dtype, static_cast<double>(threshold)));
  const ValueId column = cast_to(c, above, DType::i64);
  const ValueId at = c.emit(op_squeeze(), NoAttributes{}, {column, c.emitter().integers({1})});
  if (labels.size() == 2) return labels_at(c, labels, at);
  if (labels.dtype() == DType::i64) return at;
  return labels_at(c, Tensor::from_strings({2}, {"0", "1"}), at);
}

ValueId rows(ConvertContext& c, std::size_t i) {
  ValueId x = c.input(i);
  if (is_integer(c.type(x).dtype)) x = cast_to(c, x, DType::f32);
  if (c.type(x).rank() != 1) return x;
  return c.emit(op_unsqueeze(), NoAttributes{}, {x, c.emitter().integers({0})});
}

ValueId vector_constant(ConvertContext& c, DType dtype, const std::vector<float>& values) {
  Tensor vector = Tensor::allocate(dtype, {static_cast<std::int64_t>(values.size())});
  for (std::size_t i = 0; i < values.size(); ++i) {
    store_from_double(dtype, vector.mutable_data(), static_cast<std::int64_t>(i),
                      static_cast<double>(values[i]));
  }
  return c.emitter().constant(std::move(vector));
}

ValueId unary(ConvertContext& c, UnaryFunction function, ValueId x) {
  return c.emit(op_unary(), UnaryAttributes{.function = function}, {x});
}

ValueId two_class_scores(ConvertContext& c, ScoreTransform transform, ValueId score,
                         bool probability) {
  const bool complement =
      transform == ScoreTransform::probit || (probability && transform != ScoreTransform::logistic);
  const ValueId other =
      complement ? binary(c, BinaryFunction::sub, scalar(c, c.type(score).dtype, 1), score)
                 : unary(c, UnaryFunction::neg, score);
  const ValueId both = c.emit(op_concat(), ConcatAttributes{.axis = 1}, {other, score});
  const bool applies = transform == ScoreTransform::logistic || transform == ScoreTransform::probit;
  return applies ? transformed(c, transform, both, 2) : both;
}

ValueId matrix_attribute(ConvertContext& c, std::string_view name, std::int64_t row_count) {
  const auto values = c.floats_attribute(name);
  const auto count = static_cast<std::int64_t>(values.size());
  if (row_count < 1 || count == 0 || count % row_count != 0) {
    c.fail(ErrorCode::bad_attribute, std::string(name) + " has " + std::to_string(count) +
                                         " elements, which make no " + std::to_string(row_count) +
                                         " equal rows");
  }
  return c.emitter().constant(Tensor::from<float>({row_count, count / row_count}, values));
}

}  // namespace strop::onnx

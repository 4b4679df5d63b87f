// SPDX-License-Identifier: Apache-2.0
// Dropout leaves its input as it is outside of training; the mask then keeps every element. From
// opset 12 on a model may ask for training: an element is kept where a number drawn from [0, 1) is
// not below the ratio, and divided by 1 - ratio.
#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/random_support.hpp"
#include "ops/expand.hpp"
#include "ops/identity.hpp"
#include "ops/random.hpp"
#include "ops/select.hpp"
#include "ops/shape.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

void keep_all(ConvertContext& c, DType mask_type) {
  const ValueId x = c.input(0);
  c.set_output(0, c.emit(op_identity(), NoAttributes{}, {x}));
  if (!c.has_output(1)) return;
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  c.set_output(1, c.emit(op_expand(), NoAttributes{}, {scalar(c, mask_type, 1), shape}));
}

void before_10(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  c.ignore_attribute("is_test");  // left at 0 by exporters in models for inference
  c.ignore_attribute("ratio");
  keep_all(c, c.type(c.input(0)).dtype);
}

void by_attribute(ConvertContext& c) {
  c.ignore_attribute("ratio");
  keep_all(c, DType::boolean);
}

// Whether to train, when that is known.
std::optional<bool> known_training(ConvertContext& c) {
  if (!c.has_input(2)) return false;
  const Type& type = c.type(c.input(2));
  if (type.dtype != DType::boolean) {
    c.fail(ErrorCode::bad_type, "training_mode is " + type.to_string() + "; it must be bool");
  }
  const Tensor* value = c.constant(c.input(2));
  if (value == nullptr) return std::nullopt;
  if (value->size() != 1) {
    c.fail(ErrorCode::bad_shape, "training_mode is " + describe(*value) + "; it must be a scalar");
  }
  return value->values<bool>()[0];
}

// The ratio, when it is known.
std::optional<double> known_ratio(ConvertContext& c) {
  if (!c.has_input(1)) return 0.5;
  const DType dtype = c.type(c.input(1)).dtype;
  if (!kFloats.contains(dtype) && !kFloat8s.contains(dtype)) {
    c.fail(ErrorCode::bad_type,
           "ratio is a floating-point number, not " + std::string(to_string(dtype)));
  }
  const Tensor* value = c.constant(c.input(1));
  if (value == nullptr) return std::nullopt;
  if (value->size() != 1) {
    c.fail(ErrorCode::bad_shape, "ratio is " + describe(*value) + "; it must be a scalar");
  }
  const double ratio = load_as_double(value->dtype(), value->data(), 0);
  if (!(ratio >= 0 && ratio < 1)) {
    c.fail(ErrorCode::bad_value,
           "ratio is " + std::to_string(ratio) + "; it must be at least 0 and below 1");
  }
  return ratio;
}

// The ratio of this run, 0 outside of training; what is known only then is brought into [0, 1].
ValueId ratio_of_run(ConvertContext& c, DType wide, std::optional<double> known,
                     std::optional<bool> training) {
  ValueId ratio;
  if (known) {
    ratio = scalar(c, wide, *known);
  } else {
    ratio = cast_to(c, without_axes(c, c.input(1)), wide);
    ratio = binary(c, B::max, ratio, scalar(c, wide, 0));
    ratio = binary(c, B::min, ratio, scalar(c, wide, 1));
  }
  if (training) return ratio;
  const ValueId mode = without_axes(c, c.input(2));
  return c.emit(op_select(), NoAttributes{}, {mode, ratio, scalar(c, wide, 0)});
}

void with_training_mode(ConvertContext& c) {
  const auto seed = integer_seed(c);
  const std::optional<bool> training = known_training(c);
  const std::optional<double> known = known_ratio(c);
  if (training == false || (training && known == 0.0)) return keep_all(c, DType::boolean);
  const DType dtype = c.type(c.input(0)).dtype, wide = wide_type(dtype);
  const ValueId x = cast_to(c, c.input(0), wide);
  const ValueId ratio = ratio_of_run(c, wide, known, training);
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {x});
  const ValueId drawn = c.emit(op_random(), RandomAttributes{.dtype = wide, .seed = seed}, {shape});
  const ValueId mask = binary(c, B::greater_or_equal, drawn, ratio);
  const ValueId kept = binary(c, B::sub, scalar(c, wide, 1), ratio);
  const ValueId y =
      c.emit(op_select(), NoAttributes{}, {mask, binary(c, B::div, x, kept), scalar(c, wide, 0)});
  c.set_output(0, cast_to(c, y, dtype));
  if (c.has_output(1)) c.set_output(1, mask);
}

}  // namespace

void register_dropout(ConverterTable& table) {
  table.add("Dropout", 1, before_10);
  table.add("Dropout", 10, by_attribute);
  table.add("Dropout", 12, with_training_mode);
}

}  // namespace strop::onnx

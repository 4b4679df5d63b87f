// SPDX-License-Identifier: Apache-2.0
// RandomUniform, RandomNormal, their -Like forms, Multinomial and Bernoulli. Later opsets only
// added element types. A probability of Bernoulli below 0 counts as 0, above 1 as 1, and NaN as 0.
#include "ops/random.hpp"

#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/random_support.hpp"
#include "ops/multinomial.hpp"
#include "ops/shape.hpp"

namespace strop::onnx {
namespace {

using D = RandomDistribution;

DType type_of_number(ConvertContext& c, std::int64_t number) {
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) {
    c.fail(ErrorCode::bad_attribute,
           "dtype is " + std::to_string(number) + ", which is no element type");
  }
  return *dtype;
}

// dtype, or the type of input 0.
DType own_or_input_type(ConvertContext& c) {
  if (c.has_attribute("dtype")) return type_of_number(c, c.int_attribute("dtype"));
  return c.type(c.input(0)).dtype;
}

RandomAttributes attributes_of(ConvertContext& c, D distribution) {
  RandomAttributes attributes{.distribution = distribution};
  if (distribution == D::uniform) {
    attributes.low = static_cast<double>(c.float_attribute("low", 0.0f));
    attributes.high = static_cast<double>(c.float_attribute("high", 1.0f));
  } else {
    attributes.mean = static_cast<double>(c.float_attribute("mean", 0.0f));
    attributes.deviation = static_cast<double>(c.float_attribute("scale", 1.0f));
  }
  attributes.seed = float_seed(c);
  return attributes;
}

template <D kDistribution>
void of_shape(ConvertContext& c) {
  RandomAttributes attributes = attributes_of(c, kDistribution);
  attributes.dtype = type_of_number(c, c.int_attribute("dtype", 1));
  if (!c.has_attribute("shape")) c.fail(ErrorCode::bad_attribute, "shape is missing");
  const ValueId shape = c.emitter().integers(c.ints_attribute("shape"));
  c.set_output(0, c.emit(op_random(), attributes, {shape}));
}

template <D kDistribution>
void like(ConvertContext& c) {
  RandomAttributes attributes = attributes_of(c, kDistribution);
  attributes.dtype = own_or_input_type(c);
  if (!kFloats.contains(attributes.dtype)) {
    c.fail(ErrorCode::bad_type,
           "the values would be " + std::string(to_string(attributes.dtype)) +
               ", and random values are floating-point numbers",
           "set dtype to float, double, float16 or bfloat16");
  }
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {c.input(0)});
  c.set_output(0, c.emit(op_random(), attributes, {shape}));
}

void multinomial(ConvertContext& c) {
  MultinomialAttributes attributes;
  attributes.samples = c.int_attribute("sample_size", 1);
  attributes.dtype = type_of_number(c, c.int_attribute("dtype", 6));
  attributes.seed = float_seed(c);
  c.set_output(0, c.emit(op_multinomial(), attributes, {c.input(0)}));
}

void bernoulli(ConvertContext& c) {
  ValueId p = c.input(0);
  const DType dtype = own_or_input_type(c);
  if (!kFloats.contains(c.type(p).dtype)) {
    c.fail(ErrorCode::bad_type, "probabilities are floating-point numbers, not " +
                                    std::string(to_string(c.type(p).dtype)));
  }
  const DType wide = wide_type(c.type(p).dtype);
  p = cast_to(c, p, wide);
  const ValueId shape = c.emit(op_shape(), ShapeAttributes{}, {p});
  const ValueId u =
      c.emit(op_random(), RandomAttributes{.dtype = wide, .seed = float_seed(c)}, {shape});
  const ValueId drawn = binary(c, BinaryFunction::less, u, p);
  c.set_output(0, cast_to(c, drawn, dtype));
}

}  // namespace

void register_random(ConverterTable& table) {
  table.add("RandomUniform", 1, of_shape<D::uniform>);
  table.add("RandomNormal", 1, of_shape<D::normal>);
  table.add("RandomUniformLike", 1, like<D::uniform>);
  table.add("RandomNormalLike", 1, like<D::normal>);
  table.add("Multinomial", 7, multinomial);
  table.add("Bernoulli", 15, bernoulli);
}

}  // namespace strop::onnx

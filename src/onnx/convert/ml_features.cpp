// SPDX-License-Identifier: Apache-2.0
// Preparing features: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer,
// Scaler. All of them are a few operators of the graph.
#include <algorithm>
#include <cmath>
#include <limits>

#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/concat.hpp"
#include "ops/gather.hpp"
#include "ops/identity.hpp"
#include "ops/pad.hpp"
#include "ops/reduce.hpp"
#include "ops/reshape.hpp"
#include "ops/select.hpp"
#include "ops/slice.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using U = UnaryFunction;

// Of a vector the result is a matrix all the same, as in the reference implementation.
void array_feature_extractor(ConvertContext& c) {
  Emitter& emitter = c.emitter();
  ValueId x = c.input(0);
  if (c.rank(x) == 1) x = c.emit(op_unsqueeze(), NoAttributes{}, {x, emitter.integers({0})});
  if (c.rank(x) == 0) c.fail(ErrorCode::bad_shape, "it takes no scalar");
  const ValueId at =
      c.emit(op_reshape(), ReshapeAttributes{}, {c.input(1), emitter.integers({-1})});
  c.set_output(0, c.emit(op_gather(), GatherAttributes{.axis = c.rank(x) - 1}, {x, at}));
}

// The number as an element of this type that has the same elements above it; none: all are below.
std::optional<double> threshold_of(DType dtype, double threshold) {
  if (is_floating(dtype) || std::isnan(threshold)) return threshold;
  const double lowest = -std::ldexp(1.0, bits_of(dtype) - 1);
  if (threshold < lowest) return std::nullopt;
  return std::min(std::floor(threshold), -lowest);  // store_from_double saturates
}

void binarizer(ConvertContext& c) {
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype;
  const auto given = static_cast<double>(c.float_attribute("threshold", 0));
  const double top = is_floating(dtype) ? 0 : std::ldexp(1.0, bits_of(dtype) - 1);
  ValueId above;
  if (is_integer(dtype) && (std::isnan(given) || given >= top)) {
    above = binary(c, B::less, x, x);  // nothing is
  } else if (const auto threshold = threshold_of(dtype, given)) {
    above = binary(c, B::greater, x, scalar(c, dtype, *threshold));
  } else {
    above = binary(c, B::equal, x, x);  // everything is
  }
  c.set_output(0, cast_to(c, above, dtype));
}

// One input with as many columns as it is given: cut off, or filled up with zeros.
ValueId with_columns(ConvertContext& c, ValueId x, std::int64_t columns) {
  Emitter& emitter = c.emitter();
  const auto shape = c.type(x).shape;
  if (shape && (*shape)[1].is(columns)) return x;
  const ValueId padded =
      c.emit(op_pad(), PadAttributes{},
             {x, emitter.integers({0, 0, 0, columns}), scalar(c, DType::f32, 0), ValueId::none()});
  return c.emit(
      op_slice(), NoAttributes{},
      {padded, emitter.integers({0}), emitter.integers({columns}), emitter.integers({1})});
}

void feature_vectorizer(ConvertContext& c) {
  constexpr std::int64_t kMostColumns = std::int64_t{1} << 40;
  const auto columns = c.ints_attribute("inputdimensions");
  if (!columns.empty() && columns.size() != c.input_count()) {
    c.fail(ErrorCode::bad_attribute, "inputdimensions has " + std::to_string(columns.size()) +
                                         " elements for " + std::to_string(c.input_count()) +
                                         " inputs");
  }
  std::vector<ValueId> parts;
  for (std::size_t i = 0; i < c.input_count(); ++i) {
    ValueId part = cast_to(c, rows(c, i), DType::f32);
    if (c.type(part).shape && c.type(part).rank() != 2) {
      c.fail(ErrorCode::bad_shape,
             "input " + std::to_string(i) + " is " + c.type(part).to_string() + "; it takes rows");
    }
    if (!columns.empty()) {
      if (columns[i] < 0 || columns[i] > kMostColumns) {
        c.fail(ErrorCode::bad_attribute, "inputdimensions has " + std::to_string(columns[i]));
      }
      part = with_columns(c, part, columns[i]);
    }
    parts.push_back(part);
  }
  if (parts.empty()) c.fail(ErrorCode::model_malformed, "it has no inputs");
  c.set_output(0, c.emit(op_concat(), ConcatAttributes{.axis = 1}, std::move(parts)));
}

void imputer(ConvertContext& c) {
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype;
  const auto floats = c.floats_attribute("imputed_value_floats");
  const auto integers = c.ints_attribute("imputed_value_int64s");
  const float old_float = c.float_attribute("replaced_value_float", 0);
  const std::int64_t old_integer = c.int_attribute("replaced_value_int64", 0);
  const bool floating = is_floating(dtype);
  if (floating ? floats.empty() : integers.empty()) {
    c.fail(ErrorCode::bad_attribute, "it needs imputed_value_" +
                                         std::string(floating ? "floats" : "int64s") + " for " +
                                         std::string(to_string(dtype)));
  }
  ValueId imputed, missing;
  if (floating) {
    imputed = vector_constant(c, dtype, floats);
    missing = std::isnan(old_float)
                  ? unary(c, U::is_nan, x)
                  : binary(c, B::equal, x, scalar(c, dtype, static_cast<double>(old_float)));
  } else {
    const auto as_element = [&](const std::vector<std::int64_t>& values) {
      for (const std::int64_t value : values) {
        if (dtype == DType::i32 && value != static_cast<std::int32_t>(value)) {
          c.fail(ErrorCode::bad_attribute, std::to_string(value) + " does not fit i32");
        }
      }
      return cast_to(c, c.emitter().integers(values), dtype);
    };
    imputed = as_element(integers);
    missing = binary(c, B::equal, x, as_element({old_integer}));
  }
  // A vector along the last axis; select would let it make x wider.
  const auto count = static_cast<std::int64_t>(floating ? floats.size() : integers.size());
  const auto shape = c.type(x).shape;
  const bool fits = count == 1 || (shape && !shape->empty() &&
                                   (!shape->back().is_constant() || shape->back().is(count)));
  if (!fits) {
    c.fail(ErrorCode::bad_shape, "there are " + std::to_string(count) +
                                     " values to impute, but x is " + c.type(x).to_string());
  }
  c.set_output(0, c.emit(op_select(), NoAttributes{}, {missing, imputed, x}));
}

// Rows divided by their norm; rows whose norm is 0 stay as they are.
void normalizer(ConvertContext& c) {
  const std::string norm = c.string_attribute("norm", "MAX");
  ReduceFunction function = ReduceFunction::max;
  if (norm == "L1") {
    function = ReduceFunction::l1;
  } else if (norm == "L2") {
    function = ReduceFunction::l2;
  } else if (norm != "MAX") {
    c.fail(ErrorCode::bad_attribute, "norm is \"" + norm + "\"; it may be MAX, L1 or L2");
  }
  ValueId x = c.input(0);
  if (is_integer(c.type(x).dtype)) x = cast_to(c, x, DType::f32);
  const DType dtype = c.type(x).dtype;
  const ValueId divisor =
      c.emit(op_reduce(), ReduceAttributes{.function = function}, {x, c.emitter().integers({-1})});
  const ValueId zero = binary(c, B::equal, divisor, scalar(c, dtype, 0));
  const ValueId safe = c.emit(op_select(), NoAttributes{}, {zero, scalar(c, dtype, 1), divisor});
  c.set_output(0, cast_to(c, binary(c, B::div, x, safe), DType::f32));
}

void scaler(ConvertContext& c) {
  ValueId x = c.input(0);
  if (is_integer(c.type(x).dtype)) x = cast_to(c, x, DType::f32);
  const DType dtype = c.type(x).dtype;
  const auto shape = c.type(x).shape;
  const auto vector = [&](const char* name) -> std::optional<ValueId> {
    const auto values = c.floats_attribute(name);
    if (values.empty()) return std::nullopt;
    const auto count = static_cast<std::int64_t>(values.size());
    const bool fits = count == 1 || (shape && !shape->empty() &&
                                     (!shape->back().is_constant() || shape->back().is(count)));
    if (!fits) {
      c.fail(ErrorCode::bad_shape, std::string(name) + " has " + std::to_string(count) +
                                       " elements, but x is " + c.type(x).to_string());
    }
    return vector_constant(c, dtype, values);
  };
  const auto offset = vector("offset"), scale = vector("scale");
  if (offset) x = binary(c, B::sub, x, *offset);
  if (scale) x = binary(c, B::mul, x, *scale);
  if (x == c.input(0) && dtype == DType::f32) x = c.emit(op_identity(), NoAttributes{}, {x});
  c.set_output(0, cast_to(c, x, DType::f32));
}

}  // namespace

void register_ml_features(ConverterTable& table) {
  table.add("ai.onnx.ml", "ArrayFeatureExtractor", 1, array_feature_extractor);
  table.add("ai.onnx.ml", "Binarizer", 1, binarizer);
  table.add("ai.onnx.ml", "FeatureVectorizer", 1, feature_vectorizer);
  table.add("ai.onnx.ml", "Imputer", 1, imputer);
  table.add("ai.onnx.ml", "Normalizer", 1, normalizer);
  table.add("ai.onnx.ml", "Scaler", 1, scaler);
}

}  // namespace strop::onnx

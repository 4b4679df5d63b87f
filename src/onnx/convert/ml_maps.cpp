// SPDX-License-Identifier: Apache-2.0
// CastMap, DictVectorizer and ZipMap: from maps to rows and back.
#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/map_to_tensor.hpp"
#include "ops/zip_map.hpp"

namespace strop::onnx {
namespace {

void cast_map(ConvertContext& c) {
  MapToTensorAttributes attributes;
  const std::string form = c.string_attribute("map_form", "DENSE");
  const std::int64_t length = c.int_attribute("max_map", 1);
  if (form == "SPARSE") {
    attributes.order = MapOrder::indexed;
    attributes.length = length;
  } else if (form != "DENSE") {
    c.fail(ErrorCode::bad_attribute, "map_form is \"" + form + "\"; it may be DENSE or SPARSE");
  }
  const std::string to = c.string_attribute("cast_to", "TO_FLOAT");
  if (to == "TO_STRING") {
    attributes.to = DType::string;
  } else if (to == "TO_INT64") {
    attributes.to = DType::i64;
  } else if (to != "TO_FLOAT") {
    c.fail(ErrorCode::bad_attribute,
           "cast_to is \"" + to + "\"; it may be TO_FLOAT, TO_STRING or TO_INT64");
  }
  c.set_output(0, c.emit(op_map_to_tensor(), std::move(attributes), {c.input(0)}));
}

void dict_vectorizer(ConvertContext& c) {
  c.expect_long_lists();
  const Type map = c.type(c.input(0));
  if (map.kind != ValueKind::map || !map.element->is_tensor()) {
    c.fail(ErrorCode::bad_type, "it takes a map of scalars, but gets " + map.to_string());
  }
  MapToTensorAttributes attributes{.order = MapOrder::vocabulary, .to = map.element->dtype};
  attributes.vocabulary = labels_attribute(c, "int64_vocabulary", "string_vocabulary");
  c.set_output(0, c.emit(op_map_to_tensor(), std::move(attributes), {c.input(0)}));
}

void zip_map(ConvertContext& c) {
  c.expect_long_lists();
  const Tensor keys = labels_attribute(c, "classlabels_int64s", "classlabels_strings");
  c.set_output(0, c.emit(op_zip_map(), ZipMapAttributes{keys}, {c.input(0)}));
}

}  // namespace

void register_ml_maps(ConverterTable& table) {
  table.add("ai.onnx.ml", "CastMap", 1, cast_map);
  table.add("ai.onnx.ml", "DictVectorizer", 1, dict_vectorizer);
  table.add("ai.onnx.ml", "ZipMap", 1, zip_map);
}

}  // namespace strop::onnx

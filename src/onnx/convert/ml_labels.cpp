// SPDX-License-Identifier: Apache-2.0
// LabelEncoder, CategoryMapper and OneHotEncoder: each element is looked up in a list.
#include <algorithm>
#include <numeric>

#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/lookup.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::onnx {
namespace {

template <class T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::from<T>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor strings_of(std::vector<std::string> values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return Tensor::from_strings({count}, std::move(values));
}

Tensor counting(std::int64_t count) {
  Tensor out = Tensor::allocate(DType::i64, {count});
  const auto values = out.mutable_values<std::int64_t>();
  std::iota(values.begin(), values.end(), 0);
  return out;
}

Tensor default_number(ConvertContext& c) {
  return Tensor::scalar<std::int64_t>(c.int_attribute("default_int64", -1));
}
Tensor default_string(ConvertContext& c) {
  return Tensor::from_strings({}, {c.string_attribute("default_string", "_Unused")});
}

void require_same_length(ConvertContext& c, const Tensor& keys, const Tensor& values) {
  if (keys.shape() == values.shape() && keys.rank() == 1) return;
  c.fail(ErrorCode::bad_attribute, "keys and values must be lists of one length, but are " +
                                       describe(keys) + " and " + describe(values));
}

void look_up(ConvertContext& c, LookupAttributes attributes) {
  require_same_length(c, attributes.keys, attributes.values);
  c.set_output(0, c.emit(op_lookup(), std::move(attributes), {c.input(0)}));
}

// Both directions are there; the input's type says which one is meant.
void between(ConvertContext& c, const Tensor& numbers, const Tensor& strings) {
  const Tensor other_number = default_number(c), other_string = default_string(c);
  if (c.type(c.input(0)).dtype == DType::string) {
    look_up(c, {.keys = strings, .values = numbers, .otherwise = other_number});
  } else {
    look_up(c, {.keys = numbers, .values = strings, .otherwise = other_string});
  }
}

void label_encoder_1(ConvertContext& c) {
  c.expect_long_lists();
  const Tensor classes = strings_of(c.strings_attribute("classes_strings"));
  between(c, counting(classes.size()), classes);
}

void category_mapper(ConvertContext& c) {
  c.expect_long_lists();
  between(c, vector_of(c.ints_attribute("cats_int64s")),
          strings_of(c.strings_attribute("cats_strings")));
}

// The only list of `keys_*` or `values_*` that is there.
Tensor only_list(ConvertContext& c, const std::string& prefix) {
  std::vector<Tensor> found;
  const auto take = [&](const char* kind, auto read) {
    if (c.has_attribute(prefix + kind)) found.push_back(read(prefix + kind));
  };
  take("_int64s", [&](const std::string& name) { return vector_of(c.ints_attribute(name)); });
  take("_floats", [&](const std::string& name) { return vector_of(c.floats_attribute(name)); });
  take("_strings", [&](const std::string& name) { return strings_of(c.strings_attribute(name)); });
  if (c.opset() >= 4) {
    take("_tensor", [&](const std::string& name) { return c.tensor_attribute(name); });
  }
  if (found.size() == 1) return found.front();
  c.fail(ErrorCode::bad_attribute,
         "it needs one attribute " + prefix + "_*, but has " + std::to_string(found.size()));
}

Tensor default_of(ConvertContext& c, DType dtype) {
  const float number = c.float_attribute("default_float", -0.0f);
  const Tensor integer = default_number(c), text = default_string(c);
  if (c.opset() >= 4 && c.has_attribute("default_tensor")) {
    Tensor tensor = c.tensor_attribute("default_tensor");
    if (tensor.size() != 1 || tensor.dtype() != dtype) {
      c.fail(ErrorCode::bad_attribute,
             "default_tensor must be one element of the type of the "
             "values, but is " +
                 describe(tensor));
    }
    return tensor;
  }
  if (dtype == DType::string) return text;
  Tensor out = Tensor::allocate(dtype, {});
  if (dtype == DType::i64) return integer;
  const double value = is_floating(dtype) ? static_cast<double>(number) : -1;
  store_from_double(dtype, out.mutable_data(), 0, value);
  return out;
}

// Until opset 4 the standard is silent about equal keys, and the first counts.
Tensor reversed(const Tensor& vector) {
  if (vector.dtype() == DType::string) {
    const auto values = vector.values<std::string>();
    return strings_of({values.rbegin(), values.rend()});
  }
  if (vector.dtype() == DType::f32) {
    const auto values = vector.values<float>();
    return vector_of(std::vector<float>(values.rbegin(), values.rend()));
  }
  const auto values = vector.values<std::int64_t>();
  return vector_of(std::vector<std::int64_t>(values.rbegin(), values.rend()));
}

void label_encoder(ConvertContext& c) {
  c.expect_long_lists();
  LookupAttributes attributes;
  attributes.keys = only_list(c, "keys");
  attributes.values = only_list(c, "values");
  attributes.otherwise = default_of(c, attributes.values.dtype());
  if (c.opset() < 4) {
    require_same_length(c, attributes.keys, attributes.values);
    attributes.keys = reversed(attributes.keys);
    attributes.values = reversed(attributes.values);
    attributes.by_bits = true;
  }
  look_up(c, std::move(attributes));
}

// Looked up, and compared with every index there is.
void one_hot_encoder(ConvertContext& c) {
  c.expect_long_lists();
  const Tensor categories = labels_attribute(c, "cats_int64s", "cats_strings");
  const bool lenient = c.int_attribute("zeros", 1) != 0;
  ValueId x = c.input(0);
  if (categories.dtype() == DType::i64) x = cast_to(c, x, DType::i64);
  const Tensor columns = counting(categories.size());
  LookupAttributes attributes{.keys = categories, .values = columns};
  if (lenient) attributes.otherwise = Tensor::scalar<std::int64_t>(-1);
  const ValueId at = c.emit(op_lookup(), std::move(attributes), {x});
  const ValueId column = c.emit(op_unsqueeze(), NoAttributes{}, {at, c.emitter().integers({-1})});
  const ValueId marked = binary(c, BinaryFunction::equal, column, c.emitter().constant(columns));
  c.set_output(0, cast_to(c, marked, DType::f32));
}

}  // namespace

void register_ml_labels(ConverterTable& table) {
  table.add("ai.onnx.ml", "LabelEncoder", 1, label_encoder_1);
  table.add("ai.onnx.ml", "LabelEncoder", 2, label_encoder);
  table.add("ai.onnx.ml", "CategoryMapper", 1, category_mapper);
  table.add("ai.onnx.ml", "OneHotEncoder", 1, one_hot_encoder);
}

}  // namespace strop::onnx

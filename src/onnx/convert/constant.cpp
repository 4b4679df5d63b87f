// SPDX-License-Identifier: Apache-2.0
// Constant: exactly one of its attributes holds the value. A sparse one is read as the dense tensor
// it stands for.
#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

template <class T>
Tensor vector_tensor(const std::vector<T>& values) {
  return Tensor::from<T>({static_cast<std::int64_t>(values.size())}, values);
}

void constant(ConvertContext& c) {
  Tensor value;
  if (c.has_attribute("value")) {
    value = c.tensor_attribute("value");
  } else if (c.has_attribute("sparse_value")) {
    value = c.tensor_attribute("sparse_value");
  } else if (c.has_attribute("value_int")) {
    value = Tensor::scalar<std::int64_t>(c.int_attribute("value_int"));
  } else if (c.has_attribute("value_ints")) {
    value = vector_tensor(c.ints_attribute("value_ints"));
  } else if (c.has_attribute("value_float")) {
    value = Tensor::scalar<float>(c.float_attribute("value_float"));
  } else if (c.has_attribute("value_floats")) {
    value = vector_tensor(c.floats_attribute("value_floats"));
  } else if (c.has_attribute("value_string")) {
    value = Tensor::from_strings({}, {c.string_attribute("value_string")});
  } else if (c.has_attribute("value_strings")) {
    auto strings = c.strings_attribute("value_strings");
    const auto count = static_cast<std::int64_t>(strings.size());
    value = Tensor::from_strings({count}, std::move(strings));
  } else {
    c.fail(ErrorCode::model_malformed, "none of the attributes that can hold the value is there",
           "give the node a `value`");
  }
  c.set_output(0, c.emitter().constant(std::move(value)));
}

}  // namespace

void register_constant(ConverterTable& table) { table.add("Constant", 1, constant); }

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#include "ops/bit_cast.hpp"

#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

void bit_cast(ConvertContext& c) {
  const std::int64_t number = c.int_attribute("to");
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) {
    c.fail(ErrorCode::bad_attribute, "to is " + std::to_string(number) + ", which is no type");
  }
  c.set_output(0, c.emit(op_bit_cast(), BitCastAttributes{.to = *dtype}, {c.input(0)}));
}

}  // namespace

void register_bit_cast(ConverterTable& table) { table.add("BitCast", 26, bit_cast); }

}  // namespace strop::onnx

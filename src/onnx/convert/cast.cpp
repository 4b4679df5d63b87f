// SPDX-License-Identifier: Apache-2.0
// Cast and CastLike. Before opset 6 the type is named by a string.
#include "ops/cast.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

void emit_cast(ConvertContext& c, DType to) {
  CastAttributes attributes{.to = to};
  attributes.saturate = c.int_attribute("saturate", 1) != 0;
  const std::string rounding = c.string_attribute("round_mode", "up");
  const auto names = enum_names(E8m0Rounding{});
  const auto found = std::ranges::find(names, std::string_view(rounding));
  if (found == names.end()) {
    c.fail(ErrorCode::bad_attribute, "round_mode is \"" + rounding + "\"",
           "it may be up, down or nearest");
  }
  attributes.round_mode = static_cast<E8m0Rounding>(found - names.begin());
  c.set_output(0, c.emit(op_cast(), attributes, {c.input(0)}));
}

void by_name(ConvertContext& c) {
  static constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::f32},  {"UINT8", DType::u8},     {"INT8", DType::i8},
      {"UINT16", DType::u16}, {"INT16", DType::i16},    {"INT32", DType::i32},
      {"INT64", DType::i64},  {"BOOL", DType::boolean}, {"FLOAT16", DType::f16},
      {"DOUBLE", DType::f64}, {"UINT32", DType::u32},   {"UINT64", DType::u64},
  };
  const std::string name = c.string_attribute("to");
  for (const auto& [text, dtype] : kNames) {
    if (text == name) return emit_cast(c, dtype);
  }
  c.fail(ErrorCode::bad_attribute, "to is \"" + name + "\", which names no element type");
}

void by_number(ConvertContext& c) {
  const std::int64_t number = c.int_attribute("to");
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) {
    c.fail(ErrorCode::bad_attribute, "to is " + std::to_string(number) + ", which is no type");
  }
  emit_cast(c, *dtype);
}

void cast_like(ConvertContext& c) { emit_cast(c, c.type(c.input(1)).dtype); }

}  // namespace

void register_cast(ConverterTable& table) {
  table.add("Cast", 1, by_name);
  table.add("Cast", 6, by_number);
  table.add("CastLike", 15, cast_like);
}

}  // namespace strop::onnx

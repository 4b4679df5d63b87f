// SPDX-License-Identifier: Apache-2.0
#include "ir/type.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace strop {

Type Type::tensor(DType dtype, SymShape shape) {
  Type type;
  type.dtype = dtype;
  type.shape = std::move(shape);
  return type;
}

Type Type::tensor_of_unknown_rank(DType dtype) {
  Type type;
  type.dtype = dtype;
  return type;
}

Type Type::sequence(Type element) {
  Type type;
  type.kind = ValueKind::sequence;
  type.element = std::make_shared<const Type>(std::move(element));
  return type;
}

Type Type::optional(Type element) {
  Type type;
  type.kind = ValueKind::optional;
  type.element = std::make_shared<const Type>(std::move(element));
  return type;
}

Type Type::map(DType key, Type value) {
  Type type;
  type.kind = ValueKind::map;
  type.dtype = key;
  type.element = std::make_shared<const Type>(std::move(value));
  return type;
}

bool Type::is_static() const {
  return is_tensor() && shape &&
         std::ranges::all_of(*shape, [](const Dim& dim) { return dim.is_constant(); });
}

std::string Type::to_string() const {
  switch (kind) {
    case ValueKind::tensor:
      return std::string(strop::to_string(dtype)) +
             (shape ? strop::to_string(*shape) : std::string("[*]"));
    case ValueKind::sequence:
      return "seq(" + element->to_string() + ")";
    case ValueKind::optional:
      return "opt(" + element->to_string() + ")";
    case ValueKind::map:
      return "map(" + std::string(strop::to_string(dtype)) + "," + element->to_string() + ")";
  }
  return "?";
}

namespace {

[[noreturn]] void fail(std::string_view text, const char* why) {
  throw Error(ErrorCode::model_malformed,
              "cannot read type \"" + std::string(text.substr(0, 120)) + "\"", why);
}

Type parse_type(std::string_view text, int depth) {
  if (depth > 16) fail(text, "nested too deeply");
  const auto inside = [&](std::string_view name) -> std::optional<std::string_view> {
    if (!text.starts_with(name) || !text.ends_with(')') || text.size() < name.size() + 2)
      return std::nullopt;
    if (text[name.size()] != '(') return std::nullopt;
    return text.substr(name.size() + 1, text.size() - name.size() - 2);
  };
  if (const auto element = inside("seq")) return Type::sequence(parse_type(*element, depth + 1));
  if (const auto element = inside("opt")) return Type::optional(parse_type(*element, depth + 1));
  if (const auto parts = inside("map")) {
    const auto comma = parts->find(',');
    if (comma == std::string_view::npos) fail(text, "a map has a key type and a value type");
    const auto key = dtype_from_name(parts->substr(0, comma));
    if (!key) fail(text, "unknown key type");
    return Type::map(*key, parse_type(parts->substr(comma + 1), depth + 1));
  }
  const auto bracket = text.find('[');
  if (bracket == std::string_view::npos || !text.ends_with(']'))
    fail(text, "a tensor type ends in its shape");
  const auto dtype = dtype_from_name(text.substr(0, bracket));
  if (!dtype) fail(text, "unknown element type");
  const std::string_view dims = text.substr(bracket + 1, text.size() - bracket - 2);
  if (dims == "*") return Type::tensor_of_unknown_rank(*dtype);
  SymShape shape;
  int parentheses = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= dims.size() && !dims.empty(); ++i) {
    if (i < dims.size() && dims[i] == '(') ++parentheses;
    if (i < dims.size() && dims[i] == ')') --parentheses;
    if (i == dims.size() || (dims[i] == ',' && parentheses == 0)) {
      shape.push_back(Dim::parse(dims.substr(start, i - start)));
      start = i + 1;
    }
  }
  return Type::tensor(*dtype, std::move(shape));
}

}  // namespace

Type Type::parse(std::string_view text) { return parse_type(text, 0); }

bool Type::operator==(const Type& other) const {
  if (kind != other.kind || dtype != other.dtype || shape != other.shape) return false;
  if ((element == nullptr) != (other.element == nullptr)) return false;
  return element == nullptr || *element == *other.element;
}

}  // namespace strop

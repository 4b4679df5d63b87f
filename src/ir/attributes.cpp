// SPDX-License-Identifier: Apache-2.0
#include "ir/attributes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ir/text_scanner.hpp"

namespace strop {
namespace {

template <class T, class Print>
std::string list_text(const std::vector<T>& values, Print print) {
  std::string out = "[";
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ", ";
    out += print(values[i]);
  }
  return out + "]";
}

// -0.0, infinities and NaN print and parse as themselves; shortest text that reads back to the same
// bits.
std::string number_text(double value) { return fmt::format("{}", value); }

}  // namespace

std::string to_string(const AttributeValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return std::to_string(v);
        } else if constexpr (std::is_same_v<T, double>) {
          return number_text(v);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return quote(v);
        } else if constexpr (std::is_same_v<T, DType>) {
          return std::string(to_string(v));
        } else if constexpr (std::is_same_v<T, Tensor>) {
          return v.defined() ? tensor_to_text(v) : "none";
        } else if constexpr (std::is_same_v<T, Type>) {
          return v.to_string();
        } else if constexpr (std::is_same_v<T, std::optional<std::int64_t>>) {
          return v ? std::to_string(*v) : "none";
        } else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
          return list_text(v, [](std::int64_t x) { return std::to_string(x); });
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          return list_text(v, number_text);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          return list_text(v, [](const std::string& x) { return quote(x); });
        } else {
          return list_text(v, [](const Dim& x) { return x.to_string(); });
        }
      },
      value);
}

Attributes::Attributes() : Attributes(NoAttributes{}) {}

Attributes Attributes::of_schema(const AttributeSchema& schema, std::shared_ptr<const void> data) {
  Attributes out;
  out.schema_ = &schema;
  out.data_ = std::move(data);
  return out;
}

std::string Attributes::to_string() const {
  const std::shared_ptr<void> defaults = schema_->make_default();
  std::string out;
  for (const AttributeField& field : schema_->fields) {
    const std::string text = strop::to_string(field.get(data_.get()));
    if (text == strop::to_string(field.get(defaults.get()))) continue;
    out += out.empty() ? "{" : ", ";
    out += std::string(field.name) + "=" + text;
  }
  return out.empty() ? out : out + "}";
}

bool Attributes::operator==(const Attributes& other) const {
  if (schema_ != other.schema_) return false;
  return data_ == other.data_ ||
         std::ranges::all_of(schema_->fields, [&](const AttributeField& field) {
           return strop::to_string(field.get(data_.get())) ==
                  strop::to_string(field.get(other.data_.get()));
         });
}

std::uint64_t Attributes::hash() const {
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (char c : to_string()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

namespace {

template <class T, class Read>
std::vector<T> read_list(TextScanner& scanner, Read read) {
  std::vector<T> out;
  scanner.expect('[');
  while (!scanner.take(']')) {
    out.push_back(read());
    if (!scanner.take(',') && scanner.peek() != ']') scanner.fail("expected ',' or ']'");
  }
  return out;
}

AttributeValue read_value(const AttributeField& field, TextScanner& scanner) {
  if (field.type == "bool") {
    if (scanner.take("true")) return true;
    scanner.expect("false");
    return false;
  }
  if (field.type == "i64") return scanner.integer();
  if (field.type == "float") return scanner.number();
  if (field.type == "string" || field.type == "enum") return scanner.quoted();
  if (field.type == "type of element") {
    const auto dtype = dtype_from_name(scanner.identifier());
    if (!dtype) scanner.fail("unknown element type");
    return *dtype;
  }
  if (field.type == "tensor") {
    if (scanner.take("none")) return Tensor();
    return parse_tensor(scanner);
  }
  if (field.type == "type") return Type::parse(scanner.until(",}"));
  if (field.type == "optional i64") {
    if (scanner.take("none")) return std::optional<std::int64_t>();
    return std::optional<std::int64_t>(scanner.integer());
  }
  if (field.type == "i64[]")
    return read_list<std::int64_t>(scanner, [&] { return scanner.integer(); });
  if (field.type == "float[]") return read_list<double>(scanner, [&] { return scanner.number(); });
  if (field.type == "string[]")
    return read_list<std::string>(scanner, [&] { return scanner.quoted(); });
  STROP_CHECK(field.type == "dim[]", "every field type can be read");
  return read_list<Dim>(scanner, [&] { return Dim::parse(scanner.until(",]")); });
}

}  // namespace

Attributes Attributes::parse(const AttributeSchema& schema, std::string_view text) {
  Attributes out;
  out.schema_ = &schema;
  const std::shared_ptr<void> data = schema.make_default();
  TextScanner scanner(text);
  if (scanner.take('{')) {
    while (!scanner.take('}')) {
      const std::string name(scanner.identifier());
      const auto field = std::ranges::find(schema.fields, name, &AttributeField::name);
      if (field == schema.fields.end()) scanner.fail("there is no attribute " + name);
      scanner.expect('=');
      field->set(data.get(), read_value(*field, scanner));
      if (!scanner.take(',') && scanner.peek() != '}') scanner.fail("expected ',' or '}'");
    }
  }
  if (!scanner.at_end()) scanner.fail("text after the attributes");
  out.data_ = data;
  return out;
}

bool Attributes::has_symbols() const {
  return std::ranges::any_of(schema_->fields, [this](const AttributeField& field) {
    if (field.type != "dim[]") return false;
    const AttributeValue value = field.get(data_.get());
    return std::ranges::any_of(std::get<std::vector<Dim>>(value),
                               [](const Dim& dim) { return !dim.is_constant(); });
  });
}

Attributes Attributes::map_dims(const std::function<Dim(const Dim&)>& map) const {
  Attributes out = *this;
  const std::shared_ptr<void> data = schema_->copy(data_.get());
  for (const AttributeField& field : schema_->fields) {
    if (field.type != "dim[]") continue;
    auto dims = std::get<std::vector<Dim>>(field.get(data.get()));
    for (Dim& dim : dims) dim = map(dim);
    field.set(data.get(), std::move(dims));
  }
  out.data_ = data;
  return out;
}

namespace detail {

void attribute_type_error(std::string_view field, std::string_view expected) {
  throw Error(ErrorCode::bad_attribute, "attribute " + std::string(field),
              "it must be of type " + std::string(expected));
}

std::size_t enum_index(std::string_view field, std::span<const std::string_view> names,
                       const AttributeValue& value) {
  const auto* name = std::get_if<std::string>(&value);
  if (name == nullptr) attribute_type_error(field, "enum");
  const auto at = std::ranges::find(names, *name);
  if (at == names.end()) {
    std::string all;
    for (std::string_view known : names) all += (all.empty() ? "" : ", ") + std::string(known);
    throw Error(ErrorCode::bad_attribute,
                "attribute " + std::string(field) + " is \"" + *name + "\"",
                "it must be one of " + all);
  }
  return static_cast<std::size_t>(at - names.begin());
}

}  // namespace detail
}  // namespace strop

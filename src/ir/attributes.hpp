// SPDX-License-Identifier: Apache-2.0
// Attributes of an operator: a plain struct that names its fields once. Printing, parsing,
// equality, hashing and the documentation page come from that list:
//
//   struct SoftmaxAttributes {
//     std::int64_t axis = -1;
//     static void reflect(auto& field) { field("axis", &SoftmaxAttributes::axis, "axis that sums to
//     one"); }
//   };
//
// Fields may be bool, i64, float, double, std::string, DType, Tensor, Type, an enum with
// `enum_names` (below), std::optional<i64>, or a vector of i64, float, std::string or Dim. Plain
// integers other than std::int64_t are not allowed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/dim.hpp"
#include "base/tensor.hpp"
#include "ir/type.hpp"

namespace strop {

// For an enum attribute type E with values 0, 1, 2, …: the printed names in that order, found by
// argument-dependent lookup:
//   std::span<const std::string_view> enum_names(E);
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) {
  { enum_names(e) } -> std::convertible_to<std::span<const std::string_view>>;
};

using AttributeValue =
    std::variant<bool, std::int64_t, double, std::string, DType, Tensor, Type,
                 std::optional<std::int64_t>, std::vector<std::int64_t>, std::vector<double>,
                 std::vector<std::string>, std::vector<Dim>>;

struct AttributeField {
  std::string_view name;
  std::string_view doc;
  std::string_view type;                           // "i64", "enum", "i64[]", ...
  std::span<const std::string_view> enum_names;    // of an enum
  std::function<AttributeValue(const void*)> get;  // an enum is read and written as std::string
  std::function<void(void*, AttributeValue)>
      set;  // throws Error(bad_attribute) on a wrong type or enum name
};

// Everything known of one attribute struct, without its C++ type.
struct AttributeSchema {
  std::vector<AttributeField> fields;
  std::function<std::shared_ptr<void>()> make_default;
  std::function<std::shared_ptr<void>(const void*)> copy;
};

template <class A>
const AttributeSchema& attribute_schema();

// An immutable attribute struct behind a common type. Cheap to copy.
class Attributes {
 public:
  Attributes();  // of an operator without attributes
  template <class A>
  requires(!std::is_same_v<std::decay_t<A>, Attributes>)
      Attributes(A values)  // NOLINT: an attribute struct is Attributes
      : schema_(&attribute_schema<A>()), data_(std::make_shared<const A>(std::move(values))) {}

  template <class A>
  const A& as() const {
    STROP_CHECK(schema_ == &attribute_schema<A>(),
                "attributes are read as the struct they were made from");
    return *static_cast<const A*>(data_.get());
  }
  // Values of a schema that no C++ struct stands behind (an operator of a plugin); `data` is what
  // the schema's functions take, and both outlive every copy.
  static Attributes of_schema(const AttributeSchema& schema, std::shared_ptr<const void> data);
  const AttributeSchema& schema() const { return *schema_; }
  const void* data() const { return data_.get(); }

  // "{axis=1, pads=[0,0]}": fields that differ from their default; "" when none does.
  std::string to_string() const;
  // Reads what to_string prints; throws Error(bad_attribute).
  static Attributes parse(const AttributeSchema& schema, std::string_view text);
  // Whether a field of dimensions holds a symbol; such an operator means something only once the
  // symbols have values.
  bool has_symbols() const;
  // With every dimension of such fields replaced.
  Attributes map_dims(const std::function<Dim(const Dim&)>& map) const;
  bool operator==(const Attributes& other) const;
  std::uint64_t hash() const;

 private:
  const AttributeSchema* schema_;
  std::shared_ptr<const void> data_;
};

// Attributes of operators that have none.
struct NoAttributes {
  static void reflect(auto&) {}
};

// The text of one attribute value, as Attributes::to_string prints it.
std::string to_string(const AttributeValue& value);

namespace detail {

[[noreturn]] void attribute_type_error(std::string_view field, std::string_view expected);
std::size_t enum_index(std::string_view field, std::span<const std::string_view> names,
                       const AttributeValue& value);

template <class T>
constexpr std::string_view field_type_name() {
  if constexpr (std::is_same_v<T, bool>)
    return "bool";
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return "i64";
  else if constexpr (std::is_floating_point_v<T>)
    return "float";
  else if constexpr (std::is_same_v<T, std::string>)
    return "string";
  else if constexpr (std::is_same_v<T, DType>)
    return "type of element";
  else if constexpr (std::is_same_v<T, Tensor>)
    return "tensor";
  else if constexpr (std::is_same_v<T, Type>)
    return "type";
  else if constexpr (std::is_same_v<T, std::optional<std::int64_t>>)
    return "optional i64";
  else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    return "i64[]";
  else if constexpr (std::is_same_v<T, std::vector<float>> ||
                     std::is_same_v<T, std::vector<double>>)
    return "float[]";
  else if constexpr (std::is_same_v<T, std::vector<std::string>>)
    return "string[]";
  else if constexpr (std::is_same_v<T, std::vector<Dim>>)
    return "dim[]";
  else if constexpr (NamedEnum<T>)
    return "enum";
}

template <class A>
class SchemaBuilder {
 public:
  explicit SchemaBuilder(AttributeSchema& schema) : schema_(schema) {}

  template <class T>
  void operator()(std::string_view name, T A::*member, std::string_view doc) {
    static_assert(!field_type_name<T>().empty());
    AttributeField field;
    field.name = name;
    field.doc = doc;
    field.type = field_type_name<T>();
    if constexpr (NamedEnum<T>) field.enum_names = enum_names(T{});
    field.get = [member](const void* data) -> AttributeValue {
      const T& value = static_cast<const A*>(data)->*member;
      if constexpr (NamedEnum<T>) {
        return std::string(enum_names(T{})[static_cast<std::size_t>(value)]);
      } else if constexpr (std::is_floating_point_v<T>) {
        return static_cast<double>(value);
      } else if constexpr (std::is_same_v<T, std::vector<float>>) {
        return std::vector<double>(value.begin(), value.end());
      } else {
        return value;
      }
    };
    field.set = [member, name](void* data, AttributeValue value) {
      T& target = static_cast<A*>(data)->*member;
      if constexpr (NamedEnum<T>) {
        target = static_cast<T>(enum_index(name, enum_names(T{}), value));
      } else if constexpr (std::is_floating_point_v<T>) {
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
          target = static_cast<T>(*integer);
        } else if (const auto* number = std::get_if<double>(&value)) {
          target = static_cast<T>(*number);
        } else {
          attribute_type_error(name, field_type_name<T>());
        }
      } else if constexpr (std::is_same_v<T, std::vector<float>>) {
        auto* numbers = std::get_if<std::vector<double>>(&value);
        if (numbers == nullptr) attribute_type_error(name, field_type_name<T>());
        target.assign(numbers->begin(), numbers->end());
      } else {
        auto* same = std::get_if<T>(&value);
        if (same == nullptr) attribute_type_error(name, field_type_name<T>());
        target = std::move(*same);
      }
    };
    schema_.fields.push_back(std::move(field));
  }

 private:
  AttributeSchema& schema_;
};

}  // namespace detail

template <class A>
const AttributeSchema& attribute_schema() {
  static const AttributeSchema schema = [] {
    AttributeSchema out;
    detail::SchemaBuilder<A> builder(out);
    A::reflect(builder);
    out.make_default = [] { return std::static_pointer_cast<void>(std::make_shared<A>()); };
    out.copy = [](const void* data) {
      return std::static_pointer_cast<void>(std::make_shared<A>(*static_cast<const A*>(data)));
    };
    return out;
  }();
  return schema;
}

}  // namespace strop

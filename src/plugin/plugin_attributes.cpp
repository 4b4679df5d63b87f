// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_attributes.hpp"

#include <algorithm>

namespace strop {
namespace {

std::string_view type_name(strop_plugin_kind kind) {
  switch (kind) {
    case STROP_ATTRIBUTE_INT:
      return "i64";
    case STROP_ATTRIBUTE_FLOAT:
      return "float";
    case STROP_ATTRIBUTE_STRING:
      return "string";
    case STROP_ATTRIBUTE_INTS:
      return "i64[]";
    case STROP_ATTRIBUTE_FLOATS:
      return "float[]";
    case STROP_ATTRIBUTE_STRINGS:
      return "string[]";
    case STROP_ATTRIBUTE_TENSOR:
      return "tensor";
  }
  return "?";
}

bool is_of_kind(strop_plugin_kind kind, const AttributeValue& value) {
  switch (kind) {
    case STROP_ATTRIBUTE_INT:
      return std::holds_alternative<std::int64_t>(value);
    case STROP_ATTRIBUTE_FLOAT:
      return std::holds_alternative<double>(value);
    case STROP_ATTRIBUTE_STRING:
      return std::holds_alternative<std::string>(value);
    case STROP_ATTRIBUTE_INTS:
      return std::holds_alternative<std::vector<std::int64_t>>(value);
    case STROP_ATTRIBUTE_FLOATS:
      return std::holds_alternative<std::vector<double>>(value);
    case STROP_ATTRIBUTE_STRINGS:
      return std::holds_alternative<std::vector<std::string>>(value);
    case STROP_ATTRIBUTE_TENSOR:
      return std::holds_alternative<Tensor>(value);
  }
  return false;
}

std::string bound_text(double bound) { return to_string(AttributeValue(bound)); }

std::string refuse_number(const PluginAttribute& attribute, double number, std::string text) {
  if (!attribute.bounded || (number >= attribute.minimum && number <= attribute.maximum)) return {};
  return text + " is not in [" + bound_text(attribute.minimum) + ", " +
         bound_text(attribute.maximum) + "]";
}

std::string refuse_string(const PluginAttribute& attribute, const std::string& text) {
  if (text.find('\0') != std::string::npos) return "it holds a zero byte";
  if (attribute.choices.empty() ||
      std::ranges::find(attribute.choices, text) != attribute.choices.end())
    return {};
  std::string all;
  for (const std::string& choice : attribute.choices) all += (all.empty() ? "" : ", ") + choice;
  return to_string(AttributeValue(text.substr(0, 80))) + " is none of " + all;
}

}  // namespace

AttributeSchema plugin_schema(const std::vector<PluginAttribute>& attributes) {
  AttributeSchema schema;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    const PluginAttribute& attribute = attributes[i];
    AttributeField field;
    field.name = attribute.name;
    field.doc = attribute.doc;
    field.type = type_name(attribute.kind);
    field.get = [i](const void* data) { return static_cast<const PluginValues*>(data)->values[i]; };
    field.set = [i, &attribute](void* data, AttributeValue value) {
      const auto* whole = std::get_if<std::int64_t>(&value);
      if (whole != nullptr && attribute.kind == STROP_ATTRIBUTE_FLOAT)
        value = static_cast<double>(*whole);
      if (!is_of_kind(attribute.kind, value))
        detail::attribute_type_error(attribute.name, type_name(attribute.kind));
      static_cast<PluginValues*>(data)->values[i] = std::move(value);
    };
    schema.fields.push_back(std::move(field));
  }
  schema.make_default = [&attributes] {
    auto out = std::make_shared<PluginValues>();
    for (const PluginAttribute& attribute : attributes) out->values.push_back(attribute.initial);
    return std::static_pointer_cast<void>(std::move(out));
  };
  schema.copy = [](const void* data) {
    return std::static_pointer_cast<void>(
        std::make_shared<PluginValues>(*static_cast<const PluginValues*>(data)));
  };
  return schema;
}

const PluginValues& plugin_values(const Attributes& attributes) {
  return *static_cast<const PluginValues*>(attributes.data());
}

std::string refusal_of(const PluginAttribute& attribute, const AttributeValue& value) {
  if (!is_of_kind(attribute.kind, value)) return "it is required";
  if (const auto* integer = std::get_if<std::int64_t>(&value))
    return refuse_number(attribute, static_cast<double>(*integer), std::to_string(*integer));
  if (const auto* number = std::get_if<double>(&value))
    return refuse_number(attribute, *number, bound_text(*number));
  if (const auto* text = std::get_if<std::string>(&value)) return refuse_string(attribute, *text);
  std::string reason;
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
    for (std::size_t i = 0; i < integers->size() && reason.empty(); ++i) {
      reason = refuse_number(attribute, static_cast<double>((*integers)[i]),
                             std::to_string((*integers)[i]));
    }
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    for (std::size_t i = 0; i < numbers->size() && reason.empty(); ++i)
      reason = refuse_number(attribute, (*numbers)[i], bound_text((*numbers)[i]));
  } else if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    for (std::size_t i = 0; i < texts->size() && reason.empty(); ++i)
      reason = refuse_string(attribute, (*texts)[i]);
  } else if (const auto* tensor = std::get_if<Tensor>(&value)) {
    if (attribute.required && !tensor->defined()) return "it is required";
    if (tensor->dtype() == DType::string) return "it is a tensor of strings";
  }
  return reason;
}

}  // namespace strop

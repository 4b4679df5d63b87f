// SPDX-License-Identifier: Apache-2.0
// Attributes of a plugin's operator: a list of values under a schema that was read from the
// plugin's description. Printing, parsing, comparing and saving are those of any other attributes.
#pragma once

#include <strop/plugin.h>

#include <memory>
#include <string>
#include <vector>

#include "ir/attributes.hpp"

namespace strop {

struct PluginAttribute {
  std::string name;
  std::string doc;
  strop_plugin_kind kind = STROP_ATTRIBUTE_INT;
  bool required = false;
  bool bounded = false;
  double minimum = 0, maximum = 0;
  std::vector<std::string> choices;  // empty: any
  AttributeValue initial;            // of a required one: kNotGiven
};

// What a required attribute is as long as nobody has given it; of no kind that one can have.
inline const AttributeValue kNotGiven = std::optional<std::int64_t>();

// One value per attribute of the operator, in its order.
struct PluginValues {
  std::vector<AttributeValue> values;
};

// `attributes` must outlive the schema.
AttributeSchema plugin_schema(const std::vector<PluginAttribute>& attributes);

// Of an operator of a plugin.
const PluginValues& plugin_values(const Attributes& attributes);

// Why a value is none that the attribute may have; empty when it is one.
std::string refusal_of(const PluginAttribute& attribute, const AttributeValue& value);

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "onnx/plugin_operators.hpp"

#include <algorithm>

#include "plugin/plugin_registry.hpp"

namespace strop::onnx {
namespace {

// The newest version not above the opset.
const PluginOperator* find_version(std::string_view domain, std::string_view op_type,
                                   std::int64_t opset, bool* known) {
  *known = false;
  if (domain.empty()) return nullptr;  // no plugin has operators of the standard
  const PluginOperator* newest = nullptr;
  const auto versions = find_plugin_operators(domain, op_type);
  *known = !versions.empty();
  for (const PluginOperator* op : versions) {
    if (op->since_version <= opset) newest = op;
  }
  return newest;
}

AttributeValue read_attribute(ConvertContext& c, const PluginAttribute& attribute) {
  if (!attribute.required && !c.has_attribute(attribute.name)) return attribute.initial;
  switch (attribute.kind) {
    case STROP_ATTRIBUTE_INT:
      return c.int_attribute(attribute.name);
    case STROP_ATTRIBUTE_FLOAT:
      return static_cast<double>(c.float_attribute(attribute.name));
    case STROP_ATTRIBUTE_STRING:
      return c.string_attribute(attribute.name);
    case STROP_ATTRIBUTE_TENSOR:
      return c.tensor_attribute(attribute.name);
    default:
      break;
  }
  if (!c.has_attribute(attribute.name))
    c.fail(ErrorCode::bad_attribute, "it needs the attribute " + attribute.name);
  if (attribute.kind == STROP_ATTRIBUTE_INTS) return c.ints_attribute(attribute.name);
  if (attribute.kind == STROP_ATTRIBUTE_STRINGS) return c.strings_attribute(attribute.name);
  const std::vector<float> numbers = c.floats_attribute(attribute.name);
  return std::vector<double>(numbers.begin(), numbers.end());
}

void convert(ConvertContext& c) {
  bool known = false;
  const PluginOperator* op = find_version(c.domain(), c.op_type(), c.opset(), &known);
  STROP_CHECK(op != nullptr, "an operator is converted that was found");
  auto values = std::make_shared<PluginValues>();
  for (const PluginAttribute& attribute : op->attribute_list) {
    values->values.push_back(read_attribute(c, attribute));
    const std::string refusal = refusal_of(attribute, values->values.back());
    if (!refusal.empty())
      c.fail(ErrorCode::bad_attribute, "attribute " + attribute.name + ": " + refusal);
  }
  const auto required =
      static_cast<std::size_t>(std::ranges::count(op->outputs, Operand::required, &Operand::arity));
  const bool variadic = op->outputs.back().arity == Operand::variadic;
  if (c.output_count() > op->outputs.size() && !variadic) {
    c.fail(ErrorCode::model_malformed, "it has " + std::to_string(op->outputs.size()) +
                                           " outputs, the node " +
                                           std::to_string(c.output_count()));
  }
  const std::size_t count = std::max(required, c.output_count());
  const std::vector<ValueId> outputs =
      c.emit_many(*op, Attributes::of_schema(op->schema, std::move(values)), c.all_inputs(), count);
  for (std::size_t i = 0; i < c.output_count(); ++i) c.set_output(i, outputs[i]);
}

}  // namespace

Converter find_plugin_converter(std::string_view domain, std::string_view op_type,
                                std::int64_t opset, bool* known) {
  return find_version(domain, op_type, opset, known) != nullptr ? convert : nullptr;
}

std::string plugins_in_domain(std::string_view domain) {
  std::string out;
  for (const std::string& name : plugin_operators_of(domain)) {
    out += (out.empty() ? "" : ", ") + name;
    if (out.size() > 400) return out + ", ...";
  }
  return out;
}

}  // namespace strop::onnx

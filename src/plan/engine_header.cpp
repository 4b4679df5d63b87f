// SPDX-License-Identifier: Apache-2.0
#include "plan/engine_header.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "plan/plan_limits.hpp"

namespace strop {
namespace {

using Json = nlohmann::ordered_json;  // written in our order
using ParsedJson = nlohmann::json;

// Nothing in a header is nested deeper than inputs -> input -> shape.
constexpr int kMaxDepth = 5;

[[noreturn]] void invalid(std::string why) {
  throw Error(ErrorCode::engine_invalid, "the engine's header cannot be read", std::move(why),
              "build the engine again from its model");
}

// Of brackets outside of text, whether or not they match.
int depth_of(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_text && (c == ']' || c == '}')) {
      --depth;
    }
  }
  return deepest;
}

// Names are bytes to a model but text to JSON: what is no UTF-8 is replaced.
std::string to_json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json port_to_json(const EnginePort& port) {
  Json out = {{"name", port.name}, {"type", port.type}};
  if (port.dtype == DType::undefined) return out;
  out["dtype"] = std::string(to_string(port.dtype));
  if (!port.shape) return out;
  Json shape = Json::array();
  for (const Dim& dim : *port.shape) {
    if (dim.is_constant()) {
      shape.push_back(dim.value());
    } else {
      shape.push_back(dim.to_string());
    }
  }
  out["shape"] = std::move(shape);
  return out;
}

Json ports_to_json(const std::vector<EnginePort>& ports) {
  Json out = Json::array();
  for (const EnginePort& port : ports) out.push_back(port_to_json(port));
  return out;
}

Json plugins_to_json(const std::vector<EnginePlugin>& plugins) {
  Json out = Json::array();
  for (const EnginePlugin& plugin : plugins) {
    out.push_back(
        {{"name", plugin.name}, {"version", plugin.version()}, {"operators", plugin.operators}});
  }
  return out;
}

EnginePort port_of(const Slot& slot, const std::string& name) {
  EnginePort out;
  out.name = name;
  out.dtype = slot.dtype;
  out.shape = slot.shape;
  out.type = slot.dtype == DType::undefined ? slot.type
                                            : std::string(to_string(slot.dtype)) +
                                                  (slot.shape ? to_string(*slot.shape) : "[*]");
  return out;
}

const ParsedJson& member(const ParsedJson& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end()) invalid(std::string("\"") + key + "\" is missing");
  return *it;
}

std::string text_member(const ParsedJson& object, const char* key) {
  const ParsedJson& value = member(object, key);
  if (!value.is_string()) invalid(std::string("\"") + key + "\" is no text");
  return value.get<std::string>();
}

const ParsedJson& array_member(const ParsedJson& object, const char* key) {
  const ParsedJson& value = member(object, key);
  if (!value.is_array()) invalid(std::string("\"") + key + "\" is no list");
  return value;
}

std::map<std::string, std::string> map_member(const ParsedJson& object, const char* key) {
  const ParsedJson& value = member(object, key);
  if (!value.is_object()) invalid(std::string("\"") + key + "\" is no object");
  std::map<std::string, std::string> out;
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) invalid(std::string("\"") + key + "\" holds something other than text");
    out[name] = text.get<std::string>();
  }
  return out;
}

Dim dim_of(const ParsedJson& json, std::uint64_t& cost) {
  if (json.is_number_integer()) return Dim(json.get<std::int64_t>());
  if (!json.is_string()) invalid("a dimension is neither number nor text");
  const auto& text = json.get_ref<const std::string&>();
  cost += text.size() * text.size();
  if (cost > kMaxDimCost) invalid("its shapes are too long");
  return Dim::parse(text);
}

std::vector<EnginePort> ports_member(const ParsedJson& object, const char* key) {
  std::vector<EnginePort> out;
  std::uint64_t cost = 0;
  for (const ParsedJson& json : array_member(object, key)) {
    if (!json.is_object()) invalid(std::string("\"") + key + "\" holds something else");
    Slot slot;
    slot.type = text_member(json, "type");
    if (json.contains("dtype")) {
      const auto dtype = dtype_from_name(text_member(json, "dtype"));
      if (!dtype) invalid("an element type is unknown");
      slot.dtype = *dtype;
    }
    if (json.contains("shape")) {
      slot.shape.emplace();
      for (const ParsedJson& dim : array_member(json, "shape"))
        slot.shape->push_back(dim_of(dim, cost));
    }
    EnginePort port = port_of(slot, text_member(json, "name"));
    if (port.type != slot.type)
      invalid("type and shape of " + port.name + " contradict each other");
    out.push_back(std::move(port));
  }
  return out;
}

// "3.14"
void read_version(std::string_view text, EnginePlugin& plugin) {
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, plugin.version_major);
  if (major.ec == std::errc() && major.ptr != end && *major.ptr == '.') {
    const auto minor = std::from_chars(major.ptr + 1, end, plugin.version_minor);
    if (minor.ec == std::errc() && minor.ptr == end) return;
  }
  invalid("the version of a plugin is no version");
}

// Files of before there were plugins have no such member.
std::vector<EnginePlugin> plugins_member(const ParsedJson& object, const char* key) {
  std::vector<EnginePlugin> out;
  if (!object.contains(key)) return out;
  for (const ParsedJson& json : array_member(object, key)) {
    if (!json.is_object()) invalid(std::string("\"") + key + "\" holds something else");
    EnginePlugin& plugin = out.emplace_back();
    plugin.name = text_member(json, "name");
    read_version(text_member(json, "version"), plugin);
    for (const ParsedJson& op : array_member(json, "operators")) {
      if (!op.is_string()) invalid("an operator of a plugin is no text");
      plugin.operators.push_back(op.get<std::string>());
    }
    if (plugin.operators.empty()) invalid("a plugin without operators is needed");
  }
  return out;
}

}  // namespace

void set_ports(EngineHeader& header, const Plan& plan) {
  header.inputs.clear();
  header.outputs.clear();
  for (const std::uint32_t i : plan.inputs) {
    header.inputs.push_back(port_of(plan.slots[i], plan.slots[i].name));
  }
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    header.outputs.push_back(port_of(plan.slots[plan.outputs[i]], plan.output_names[i]));
  }
}

std::string header_to_json(const EngineHeader& header) {
  Json out;
  out["strop"] = header.strop_version;
  out["target"] = header.target;
  out["instruction_sets"] = header.instruction_sets;
  out["libraries"] = header.libraries;
  out["portable"] = header.portable;
  out["computation"] = header.computation_id;
  out["options"] = header.options;
  out["plugins"] = plugins_to_json(header.plugins);
  out["inputs"] = ports_to_json(header.inputs);
  out["outputs"] = ports_to_json(header.outputs);
  return to_json_text(out, 1) + "\n";
}

EngineHeader header_from_json(std::string_view text) {
  if (depth_of(text) > kMaxDepth) invalid("it is nested too deeply");
  // Not Json: an ordered object takes quadratic time to fill.
  const ParsedJson json = ParsedJson::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) invalid("it is no JSON object");
  EngineHeader out;
  try {
    out.strop_version = text_member(json, "strop");
    out.target = text_member(json, "target");
    for (const ParsedJson& name : array_member(json, "instruction_sets")) {
      if (!name.is_string()) invalid("an instruction set is no text");
      out.instruction_sets.push_back(name.get<std::string>());
    }
    out.libraries = map_member(json, "libraries");
    const ParsedJson& portable = member(json, "portable");
    if (!portable.is_boolean()) invalid("\"portable\" is neither true nor false");
    out.portable = portable.get<bool>();
    out.computation_id = text_member(json, "computation");
    out.options = map_member(json, "options");
    out.plugins = plugins_member(json, "plugins");
    out.inputs = ports_member(json, "inputs");
    out.outputs = ports_member(json, "outputs");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::engine_invalid) throw;
    invalid(error.message());  // a dimension that does not parse
  }
  return out;
}

void require_ports_of(const EngineHeader& header, const Plan& plan) {
  EngineHeader expected;
  set_ports(expected, plan);
  // As text, in which names are what JSON makes of them.
  if (to_json_text(ports_to_json(header.inputs), -1) !=
          to_json_text(ports_to_json(expected.inputs), -1) ||
      to_json_text(ports_to_json(header.outputs), -1) !=
          to_json_text(ports_to_json(expected.outputs), -1)) {
    throw Error(ErrorCode::engine_invalid, "the engine's header is not that of its plan",
                "their inputs and outputs differ", "build the engine again from its model");
  }
}

}  // namespace strop

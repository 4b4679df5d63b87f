// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_context.hpp"

namespace strop::onnx {

const AttributeProto* resolve_attribute(const Frame& frame, const AttributeProto& attribute) {
  if (attribute.ref_attr_name.empty()) return &attribute;
  if (!frame.in_function) {
    throw Error(ErrorCode::bad_attribute,
                "attribute " + in_quotes(attribute.name) + " refers to an attribute of a function",
                "the node is in no function");
  }
  const auto given = frame.attributes.find(attribute.ref_attr_name);
  if (given == frame.attributes.end()) {
    throw Error(ErrorCode::bad_attribute,
                "attribute " + in_quotes(attribute.name) + " refers to " +
                    in_quotes(attribute.ref_attr_name),
                "the function has no attribute of that name");
  }
  return given->second;
}

NodeContext::NodeContext(GraphImporter& importer, Frame& frame, const NodeProto& node,
                         const NodePlace& place, const NodeOrder& order,
                         const std::vector<std::string_view>* captured)
    : importer_(importer),
      frame_(frame),
      node_(node),
      place_(place),
      order_(order),
      captured_names_(captured),
      op_type_(node.op_type),
      outputs_(node.output.size()) {
  for (const AttributeProto& attribute : node.attribute) {
    const AttributeProto* resolved = resolve_attribute(frame, attribute);
    if (!attributes_
             .emplace(attribute.name, Attribute{resolved, false, !attribute.ref_attr_name.empty()})
             .second) {
      throw Error(ErrorCode::bad_attribute,
                  "attribute " + in_quotes(attribute.name) + " is there more than once",
                  "a node has each attribute once");
    }
  }
}

bool NodeContext::has_input(std::size_t i) const {
  if (i >= node_.input.size() || node_.input[i].empty()) return false;
  return frame_.names.at(node_.input[i]).state != Binding::absent;
}

ValueId NodeContext::input(std::size_t i) {
  if (!has_input(i)) {
    fail(ErrorCode::model_malformed, "its input " + std::to_string(i) + " is missing; it has " +
                                         std::to_string(node_.input.size()) + " inputs");
  }
  return importer_.resolve(frame_, node_.input[i], frame_.names.at(node_.input[i]));
}

bool NodeContext::has_output(std::size_t i) const {
  if (i >= node_.output.size() || node_.output[i].empty()) return false;
  return order_.used.contains(node_.output[i]) || frame_.wanted.contains(node_.output[i]);
}

void NodeContext::set_output(std::size_t i, ValueId value) {
  if (i < outputs_.size()) outputs_[i] = value;
}

const AttributeProto* NodeContext::find(std::string_view name) {
  const auto found = attributes_.find(name);
  if (found == attributes_.end()) return nullptr;
  found->second.asked = true;
  return found->second.proto;
}

void NodeContext::fail_kind(std::string_view name, std::string_view expected,
                            AttributeProto::Type got) const {
  fail(ErrorCode::bad_attribute,
       "attribute " + in_quotes(name) + " must be " + std::string(expected) + ", but is " +
           std::string(got == AttributeProto::undefined ? "without a value" : kind_name(got)));
}

const AttributeProto* NodeContext::find(std::string_view name, AttributeProto::Type kind) {
  const AttributeProto* attribute = find(name);
  if (attribute != nullptr && attribute->kind != kind)
    fail_kind(name, kind_name(kind), attribute->kind);
  return attribute;
}

const AttributeProto& NodeContext::require(std::string_view name, AttributeProto::Type kind) {
  const AttributeProto* attribute = find(name, kind);
  if (attribute == nullptr) {
    fail(ErrorCode::bad_attribute,
         "it needs the attribute " + in_quotes(name) + ", of type " + std::string(kind_name(kind)));
  }
  return *attribute;
}

bool NodeContext::has_attribute(std::string_view name) { return find(name) != nullptr; }

std::int64_t NodeContext::int_attribute(std::string_view name) {
  return require(name, AttributeProto::int_).as_int();
}

std::int64_t NodeContext::int_attribute(std::string_view name, std::int64_t otherwise) {
  const AttributeProto* attribute = find(name, AttributeProto::int_);
  return attribute != nullptr ? attribute->as_int() : otherwise;
}

float NodeContext::float_attribute(std::string_view name) {
  return require(name, AttributeProto::float_).as_float();
}

float NodeContext::float_attribute(std::string_view name, float otherwise) {
  const AttributeProto* attribute = find(name, AttributeProto::float_);
  return attribute != nullptr ? attribute->as_float() : otherwise;
}

std::string NodeContext::string_attribute(std::string_view name) {
  return std::string(require(name, AttributeProto::string).as_string());
}

std::string NodeContext::string_attribute(std::string_view name, std::string_view otherwise) {
  const AttributeProto* attribute = find(name, AttributeProto::string);
  return std::string(attribute != nullptr ? attribute->as_string() : otherwise);
}

std::vector<std::int64_t> NodeContext::ints_attribute(std::string_view name,
                                                      std::vector<std::int64_t> otherwise) {
  const AttributeProto* attribute = find(name, AttributeProto::ints);
  return attribute != nullptr ? attribute->as_ints(importer_.budget()) : std::move(otherwise);
}

std::vector<float> NodeContext::floats_attribute(std::string_view name,
                                                 std::vector<float> otherwise) {
  const AttributeProto* attribute = find(name, AttributeProto::floats);
  return attribute != nullptr ? attribute->as_floats(importer_.budget()) : std::move(otherwise);
}

std::vector<std::string> NodeContext::strings_attribute(std::string_view name) {
  std::vector<std::string> out;
  const AttributeProto* attribute = find(name, AttributeProto::strings);
  if (attribute == nullptr) return out;
  for (const std::string_view text : attribute->as_strings(importer_.budget())) {
    importer_.budget().charge_bytes(
        static_cast<std::int64_t>(2 * sizeof(std::string) + text.size()));
    out.emplace_back(text);
  }
  return out;
}

Tensor NodeContext::tensor_attribute(std::string_view name) {
  const AttributeProto* attribute = find(name);
  if (attribute == nullptr) require(name, AttributeProto::tensor);
  if (attribute->kind == AttributeProto::sparse_tensor) {
    return importer_.decoder().decode(attribute->as_sparse_tensor(importer_.budget()));
  }
  if (attribute->kind != AttributeProto::tensor || attribute->t == nullptr)
    fail_kind(name, "a tensor",
              attribute->t == nullptr ? AttributeProto::undefined : attribute->kind);
  return importer_.tensor(*attribute->t);
}

Type NodeContext::type_attribute(std::string_view name) {
  const AttributeProto& attribute = require(name, AttributeProto::type);
  const std::string scope = frame_.building->builder.nested_scope(name);
  return to_type(attribute.as_type(importer_.budget()), name,
                 [&](std::string_view, std::size_t axis) {
                   return Dim::symbol("#" + scope + std::to_string(axis));
                 });
}

void NodeContext::expect_long_lists() {
  for (const auto& [name, attribute] : attributes_) {
    if (attribute.proto == nullptr) continue;
    importer_.budget().claim_for_lists(static_cast<std::int64_t>(attribute.proto->message.size()));
  }
}

void NodeContext::ignore_attribute(std::string_view name) { find(name); }

void NodeContext::collect_captured() {
  if (captured_known_) return;
  captured_known_ = true;
  if (captured_names_ == nullptr) return;
  for (const std::string_view name : *captured_names_) {
    GraphImporter::Captured captured;
    captured.name = name;
    captured.binding = frame_.names.at(name);
    if (captured.binding.state == Binding::value) {
      const Value& value = emitter().value(captured.binding.id);
      if (value.is_constant()) {
        captured.binding.state = Binding::constant;
        captured.binding.tensor = value.constant;
      } else {
        captured.type = value.type;
      }
    }
    captured_.push_back(std::move(captured));
  }
}

void NodeContext::import_subgraph(std::string_view name, std::vector<Type> input_types) {
  const AttributeProto& attribute = require(name, AttributeProto::graph);
  if (attribute.g == nullptr) fail_kind(name, "a graph", AttributeProto::undefined);
  if (attributes_.at(name).given_by_caller) {
    fail(ErrorCode::unsupported_operator,
         "its graph " + in_quotes(name) + " is an attribute of the function around it",
         "inline the model's functions (onnx.inliner) before giving it to Strop");
  }
  collect_captured();
  std::optional<Graph> graph =
      importer_.import_nested(frame_, *attribute.g, place_.name + "/" + printable(name) + "/",
                              subgraph_scope(name), input_types, captured_);
  if (graph) {
    subgraphs_.push_back(std::make_shared<const Graph>(std::move(*graph)));
  } else {
    subgraph_failed_ = true;
  }
}

std::string NodeContext::subgraph_scope(std::string_view name) {
  return frame_.building->builder.nested_scope(name);
}

std::vector<std::shared_ptr<const Graph>> NodeContext::finish_subgraphs(
    std::vector<ValueId>& captures) {
  if (subgraph_failed_) throw NestedGraphFailed{};
  for (const auto& captured : captured_) {
    if (captured.binding.state == Binding::value) captures.push_back(captured.binding.id);
  }
  return std::move(subgraphs_);
}

std::vector<std::string_view> NodeContext::unused_attributes() const {
  std::vector<std::string_view> out;
  for (const AttributeProto& attribute : node_.attribute) {
    const Attribute& entry = attributes_.at(attribute.name);
    if (!entry.asked && entry.proto != nullptr) out.push_back(attribute.name);
  }
  return out;
}

}  // namespace strop::onnx

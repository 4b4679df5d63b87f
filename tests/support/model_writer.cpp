// SPDX-License-Identifier: Apache-2.0
#include "support/model_writer.hpp"

#include <protozero/pbf_writer.hpp>

namespace strop::onnx::wire {

Message& Message::number(std::uint32_t field, std::int64_t value) {
  protozero::pbf_writer(data).add_int64(field, value);
  return *this;
}

Message& Message::bytes(std::uint32_t field, std::string_view value) {
  protozero::pbf_writer(data).add_bytes(field, value.data(), value.size());
  return *this;
}

Message& Message::real(std::uint32_t field, float value) {
  protozero::pbf_writer(data).add_float(field, value);
  return *this;
}

Message& Message::floats(std::uint32_t field, std::initializer_list<float> values) {
  protozero::pbf_writer(data).add_packed_float(field, values.begin(), values.end());
  return *this;
}

Message& Message::doubles(std::uint32_t field, std::initializer_list<double> values) {
  protozero::pbf_writer(data).add_packed_double(field, values.begin(), values.end());
  return *this;
}

Message& Message::numbers(std::uint32_t field, const std::vector<std::int64_t>& values) {
  protozero::pbf_writer(data).add_packed_int64(field, values.begin(), values.end());
  return *this;
}

Message tensor_type(std::int64_t element, const std::vector<Size>& shape) {
  Message dims;
  for (const Size& size : shape) {
    Message dim;
    if (size.named) {
      dim.bytes(2, size.param);
    } else {
      dim.number(1, size.value);
    }
    dims.message(1, dim);
  }
  return Message().message(1, Message().number(1, element).message(2, dims));
}

Message tensor_type_without_shape(std::int64_t element) {
  return Message().message(1, Message().number(1, element));
}

Message value_info(std::string_view name, const Message& type) {
  return Message().bytes(1, name).message(2, type);
}

Message float_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                     const std::vector<float>& values) {
  return Message().numbers(1, dims).number(2, kFloat).bytes(8, name).bytes(
      9, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}

Message int64_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                     const std::vector<std::int64_t>& values) {
  return Message().numbers(1, dims).number(2, kInt64).numbers(7, values).bytes(8, name);
}

Message external_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                        std::string_view location, std::int64_t offset, std::int64_t length) {
  const auto entry = [](std::string_view key, std::string_view value) {
    return Message().bytes(1, key).bytes(2, value);
  };
  Message out = Message().numbers(1, dims).number(2, kFloat).bytes(8, name);
  out.message(13, entry("location", location));
  if (offset != 0) out.message(13, entry("offset", std::to_string(offset)));
  if (length >= 0) out.message(13, entry("length", std::to_string(length)));
  return out.number(14, 1);
}

Message sparse_tensor(const Message& values, const Message& indices,
                      const std::vector<std::int64_t>& dims) {
  return Message().message(1, values).message(2, indices).numbers(3, dims);
}

Message int_attribute(std::string_view name, std::int64_t value) {
  return Message().bytes(1, name).number(3, value).number(20, 2);
}

Message float_attribute(std::string_view name, float value) {
  return Message().bytes(1, name).real(2, value).number(20, 1);
}

Message string_attribute(std::string_view name, std::string_view value) {
  return Message().bytes(1, name).bytes(4, value).number(20, 3);
}

Message ints_attribute(std::string_view name, const std::vector<std::int64_t>& values) {
  return Message().bytes(1, name).numbers(8, values).number(20, 7);
}

Message tensor_attribute(std::string_view name, const Message& tensor) {
  return Message().bytes(1, name).message(5, tensor).number(20, 4);
}

Message sparse_attribute(std::string_view name, const Message& tensor) {
  return Message().bytes(1, name).message(22, tensor).number(20, 11);
}

Message graph_attribute(std::string_view name, const Message& graph) {
  return Message().bytes(1, name).message(6, graph).number(20, 5);
}

Message reference_attribute(std::string_view name, std::string_view refers_to, std::int64_t type) {
  return Message().bytes(1, name).number(20, type).bytes(21, refers_to);
}

Message node(const Node& node) {
  Message out;
  for (const std::string& input : node.inputs) out.bytes(1, input);
  for (const std::string& output : node.outputs) out.bytes(2, output);
  if (!node.name.empty()) out.bytes(3, node.name);
  out.bytes(4, node.op);
  for (const Message& attribute : node.attributes) out.message(5, attribute);
  if (!node.domain.empty()) out.bytes(7, node.domain);
  if (!node.overload.empty()) out.bytes(8, node.overload);
  return out;
}

Message graph(const GraphParts& parts) {
  Message out;
  for (const Node& each : parts.nodes) out.message(1, node(each));
  out.bytes(2, parts.name);
  for (const Message& tensor : parts.initializers) out.message(5, tensor);
  for (const Message& input : parts.inputs) out.message(11, input);
  for (const Message& output : parts.outputs) out.message(12, output);
  for (const Message& tensor : parts.sparse_initializers) out.message(15, tensor);
  return out;
}

namespace {

Message opset(const std::pair<std::string, std::int64_t>& import) {
  return Message().bytes(1, import.first).number(2, import.second);
}

Message function(const FunctionParts& parts) {
  Message out;
  out.bytes(1, parts.name);
  for (const std::string& input : parts.inputs) out.bytes(4, input);
  for (const std::string& output : parts.outputs) out.bytes(5, output);
  for (const std::string& attribute : parts.attributes) out.bytes(6, attribute);
  for (const Node& each : parts.nodes) out.message(7, node(each));
  for (const auto& import : parts.opsets) out.message(9, opset(import));
  out.bytes(10, parts.domain);
  for (const Message& attribute : parts.attributes_with_default) out.message(11, attribute);
  if (!parts.overload.empty()) out.bytes(13, parts.overload);
  return out;
}

}  // namespace

std::string model(const ModelParts& parts) {
  Message out;
  out.number(1, parts.ir_version);
  out.message(7, graph(parts.graph));
  for (const auto& import : parts.opsets) out.message(8, opset(import));
  for (const FunctionParts& each : parts.functions) out.message(25, function(each));
  return out.data;
}

std::string one_node_model(const Node& node, std::int64_t opset) {
  ModelParts parts;
  parts.graph.nodes = {node};
  parts.graph.inputs = {value_info("x", tensor_type(kFloat, {"N", 3}))};
  parts.graph.outputs = {value_info("y", tensor_type(kFloat, {"N", 3}))};
  parts.opsets = {{"", opset}};
  return model(parts);
}

}  // namespace strop::onnx::wire

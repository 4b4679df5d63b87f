// SPDX-License-Identifier: Apache-2.0
// ONNX models for tests, written field by field: every message is the std::string of its bytes, so
// that a test can also write what no exporter would.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strop::onnx::wire {

// ONNX's numbers of element types.
enum Element : std::int64_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8e4m3fn = 17,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4e2m1 = 23,
  kUint2 = 25,
  kInt2 = 26,
};

// One message: bytes of its fields in order.
class Message {
 public:
  Message& number(std::uint32_t field, std::int64_t value);
  Message& bytes(std::uint32_t field, std::string_view value);  // strings and messages too
  Message& message(std::uint32_t field, const Message& value) { return bytes(field, value.data); }
  Message& real(std::uint32_t field, float value);
  Message& floats(std::uint32_t field, std::initializer_list<float> values);       // packed
  Message& doubles(std::uint32_t field, std::initializer_list<double> values);     // packed
  Message& numbers(std::uint32_t field, const std::vector<std::int64_t>& values);  // packed

  std::string data;
};

// A dimension: a number, or a name.
struct Size {
  Size(int value) : value(value) {}                     // NOLINT
  Size(std::int64_t value) : value(value) {}            // NOLINT
  Size(const char* name) : param(name), named(true) {}  // NOLINT
  std::int64_t value = 0;
  std::string param;
  bool named = false;
};

Message tensor_type(std::int64_t element, const std::vector<Size>& shape);  // TypeProto
Message tensor_type_without_shape(std::int64_t element);
Message value_info(std::string_view name, const Message& type);
Message float_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                     const std::vector<float>& values);  // raw_data
Message int64_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                     const std::vector<std::int64_t>& values);  // int64_data
Message external_tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                        std::string_view location, std::int64_t offset, std::int64_t length);
Message sparse_tensor(const Message& values, const Message& indices,
                      const std::vector<std::int64_t>& dims);

Message int_attribute(std::string_view name, std::int64_t value);
Message float_attribute(std::string_view name, float value);
Message string_attribute(std::string_view name, std::string_view value);
Message ints_attribute(std::string_view name, const std::vector<std::int64_t>& values);
Message tensor_attribute(std::string_view name, const Message& tensor);
Message sparse_attribute(std::string_view name, const Message& tensor);
Message graph_attribute(std::string_view name, const Message& graph);
Message reference_attribute(std::string_view name, std::string_view refers_to, std::int64_t type);

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<Message> attributes;
  std::string name;
  std::string domain;
  std::string overload;
};
Message node(const Node& node);

struct GraphParts {
  std::vector<Node> nodes;
  std::vector<Message> inputs;   // ValueInfoProto
  std::vector<Message> outputs;  // ValueInfoProto
  std::vector<Message> initializers;
  std::vector<Message> sparse_initializers;
  std::string name = "g";
};
Message graph(const GraphParts& parts);

struct FunctionParts {
  std::string domain;
  std::string name;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<Node> nodes;
  std::vector<std::string> attributes;
  std::vector<Message> attributes_with_default;
  std::vector<std::pair<std::string, std::int64_t>> opsets = {{"", 17}};
  std::string overload;
};

struct ModelParts {
  GraphParts graph;
  std::vector<FunctionParts> functions;
  std::vector<std::pair<std::string, std::int64_t>> opsets = {{"", 17}};
  std::int64_t ir_version = 8;
};
std::string model(const ModelParts& parts);

// x: f32[N,3] -> op -> y.
std::string one_node_model(const Node& node, std::int64_t opset = 17);

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace strop::onnx::wire

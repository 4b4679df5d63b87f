// SPDX-License-Identifier: Apache-2.0
// A model of one node, imported and computed: what an operator of some opset makes of tensors.
#pragma once

#include <string>
#include <vector>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"

namespace strop::onnx {

struct OperatorCall {
  std::string op;
  std::int64_t opset = 1;
  std::vector<Tensor> inputs;  // undefined: absent
  std::vector<wire::Message> attributes = {};
  std::size_t outputs = 1;
  std::string domain = {};
};

// How the model knows its inputs.
enum class Known : std::uint8_t { contents, rank, nothing };

inline wire::Message tensor_message(std::string_view name, const Tensor& tensor) {
  return wire::Message()
      .numbers(1, tensor.shape())
      .number(2, dtype_info(tensor.dtype()).onnx)
      .bytes(8, name)
      .bytes(9, {reinterpret_cast<const char*>(tensor.data()),
                 static_cast<std::size_t>(tensor.bytes())});
}

inline std::string model_of(const OperatorCall& call, Known known = Known::contents) {
  wire::Node node{call.op, {}, {}, call.attributes, "", call.domain, ""};
  wire::ModelParts parts;
  parts.opsets = {{call.domain, call.opset}};
  if (!call.domain.empty()) parts.opsets.emplace_back("", 20);
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const Tensor& tensor = call.inputs[i];
    node.inputs.push_back(tensor.defined() ? "i" + std::to_string(i) : "");
    if (!tensor.defined()) continue;
    const std::string& name = node.inputs.back();
    const auto element = static_cast<std::int64_t>(dtype_info(tensor.dtype()).onnx);
    if (known == Known::contents) {
      parts.graph.initializers.push_back(tensor_message(name, tensor));
    } else if (known == Known::rank) {
      std::vector<wire::Size> sizes;
      for (std::int64_t axis = 0; axis < tensor.rank(); ++axis) {
        wire::Size size(0);
        size.named = true;
        size.param = name + "_" + std::to_string(axis);
        sizes.push_back(size);
      }
      parts.graph.inputs.push_back(wire::value_info(name, wire::tensor_type(element, sizes)));
    } else {
      parts.graph.inputs.push_back(
          wire::value_info(name, wire::tensor_type_without_shape(element)));
    }
  }
  for (std::size_t i = 0; i < call.outputs; ++i) {
    node.outputs.push_back("o" + std::to_string(i));
    parts.graph.outputs.push_back(
        wire::value_info(node.outputs.back(), wire::tensor_type_without_shape(0)));
  }
  parts.graph.nodes = {node};
  return wire::model(parts);
}

inline std::vector<Tensor> run_call(const OperatorCall& call, Known known = Known::contents) {
  std::vector<Datum> inputs;
  for (const Tensor& tensor : call.inputs) {
    if (tensor.defined() && known != Known::contents) inputs.emplace_back(tensor);
  }
  std::vector<Tensor> out;
  for (const Datum& datum : evaluate_graph(import_bytes(model_of(call, known)), inputs))
    out.push_back(datum.tensor());
  return out;
}

// The first problem of importing the node.
inline ErrorCode refusal_of(const OperatorCall& call, Known known = Known::contents) {
  SCOPED_TRACE(call.op + " of opset " + std::to_string(call.opset));
  return problems_of(model_of(call, known)).front().code;
}

}  // namespace strop::onnx

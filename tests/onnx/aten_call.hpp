// SPDX-License-Identifier: Apache-2.0
// ATen nodes as PyTorch's exporters wrote them, imported and computed.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "onnx/operator_call.hpp"
#include "ops/run_op.hpp"

namespace strop::onnx {

struct AtenNode {
  std::string op;            // "slice" or "slice.Tensor"
  std::vector<Tensor> args;  // in the order of the signature; undefined: None
  std::vector<wire::Message> attributes = {};
  std::size_t outputs = 1;
  std::string domain = "org.pytorch.aten";
};

inline Tensor whole(std::int64_t value) { return Tensor::scalar(value); }
inline Tensor real(float value) { return Tensor::scalar(value); }
inline Tensor yes(bool value) { return Tensor::scalar(value); }
inline Tensor list(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}
inline Tensor none() { return {}; }
inline Tensor text(const std::string& value) {
  Tensor out = Tensor::allocate(DType::string, {});
  out.mutable_values<std::string>()[0] = value;
  return out;
}

// Arguments in `open` are inputs of the model, of which only the ranks are known; the others are
// constants.
inline std::string model_of(const AtenNode& call, const std::set<std::size_t>& open) {
  const std::size_t dot = call.op.find('.');
  wire::Node node{"ATen", {}, {}, call.attributes, "here", call.domain, ""};
  node.attributes.push_back(wire::string_attribute("operator", call.op.substr(0, dot)));
  if (dot != std::string::npos)
    node.attributes.push_back(wire::string_attribute("overload_name", call.op.substr(dot + 1)));
  wire::ModelParts parts;
  parts.opsets = {{"", 11}};
  for (std::size_t i = 0; i < call.args.size(); ++i) {
    const Tensor& tensor = call.args[i];
    node.inputs.push_back(tensor.defined() ? "i" + std::to_string(i) : "");
    if (!tensor.defined()) continue;
    const std::string& name = node.inputs.back();
    const auto element = static_cast<std::int64_t>(dtype_info(tensor.dtype()).onnx);
    if (open.contains(i)) {
      std::vector<wire::Size> sizes;
      for (std::int64_t axis = 0; axis < tensor.rank(); ++axis) {
        wire::Size size(0);
        size.named = true;
        size.param = name + "_" + std::to_string(axis);
        sizes.push_back(size);
      }
      parts.graph.inputs.push_back(wire::value_info(name, wire::tensor_type(element, sizes)));
    } else if (tensor.dtype() == DType::string) {
      parts.graph.initializers.push_back(wire::Message()
                                             .number(2, element)
                                             .bytes(8, name)
                                             .bytes(6, tensor.values<std::string>()[0]));
    } else {
      parts.graph.initializers.push_back(tensor_message(name, tensor));
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

inline std::vector<Tensor> run_aten_many(const AtenNode& call,
                                         const std::set<std::size_t>& open = {}) {
  std::vector<Datum> inputs;
  for (const std::size_t i : open) inputs.emplace_back(call.args[i]);
  std::vector<Tensor> out;
  for (const Datum& datum : evaluate_graph(import_bytes(model_of(call, open)), inputs))
    out.push_back(datum.tensor());
  return out;
}

inline Tensor run_aten(const AtenNode& call, const std::set<std::size_t>& open = {}) {
  return run_aten_many(call, open).front();
}

// The only problem of importing the node.
inline Diagnostic aten_problem(const AtenNode& call, const std::set<std::size_t>& open = {}) {
  const auto problems = problems_of(model_of(call, open));
  EXPECT_EQ(problems.size(), 1u) << Error(problems).message();
  return problems.front();
}

inline ErrorCode aten_refusal(const AtenNode& call, const std::set<std::size_t>& open = {}) {
  SCOPED_TRACE(call.op);
  return aten_problem(call, open).code;
}

inline void expect_integers(const Tensor& got, const Shape& shape,
                            const std::vector<std::int64_t>& values) {
  EXPECT_EQ(got.dtype(), DType::i64);
  EXPECT_EQ(got.shape(), shape);
  EXPECT_EQ(values_of<std::int64_t>(got), values);
}

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
#include "onnx/aten_operators.hpp"

#include "onnx/problem_list.hpp"

namespace strop::onnx {
namespace {

// add_ writes its result over its first input, which makes no difference to a graph of values.
std::string_view without_in_place(std::string_view name) {
  return name.size() > 1 && name.ends_with('_') && !name.ends_with("__")
             ? name.substr(0, name.size() - 1)
             : name;
}

}  // namespace

bool is_aten(std::string_view op_type, std::string_view domain) {
  return domain == kAtenDomain || domain == "aten" || (op_type == "ATen" && domain.empty());
}

AtenOperator aten_operator(const NodeProto& node) {
  AtenOperator op;
  std::string_view name, overload = node.overload;
  if (node.op_type != "ATen") name = node.op_type;
  for (const AttributeProto& attribute : node.attribute) {
    if (attribute.kind != AttributeProto::string) continue;
    if (attribute.name == "operator") name = attribute.as_string();
    if (attribute.name == "overload_name") overload = attribute.as_string();
  }
  if (name.starts_with("aten::")) name.remove_prefix(6);
  op.name = name.substr(0, 200);
  op.overload = overload.substr(0, 200);
  return op;
}

Converter find_aten_converter(const ConverterTable& table, const AtenOperator& op) {
  if (const Converter converter = table.find(kAtenDomain, op.name, 1)) return converter;
  return table.find(kAtenDomain, without_in_place(op.name), 1);
}

std::string aten_name(const AtenOperator& op) {
  return "aten::" + printable(op.name) + (op.overload.empty() ? "" : "." + printable(op.overload));
}

std::string_view aten_way_out() {
  return "export with operator_export_type=OperatorExportTypes.ONNX instead of ONNX_ATEN_FALLBACK, "
         "with a newer opset, which may have an operator for it, or with torch.onnx.export(..., "
         "dynamo=True)";
}

Error refuse_aten(const ConverterTable& table, const AtenOperator& op) {
  if (op.name.empty()) {
    return {ErrorCode::unsupported_operator, "an operator of PyTorch is not supported",
            "which one is not said: the node has no attribute \"operator\"",
            std::string(aten_way_out())};
  }
  std::size_t known = 0;
  for (const auto& entry : table.entries()) known += entry.domain == kAtenDomain;
  return {ErrorCode::unsupported_operator,
          "operator " + aten_name(op) + " of PyTorch is not supported",
          "the node calls PyTorch itself; \"" + printable(op.name) +
              "\" needs a meaning in operators of ONNX, as " + std::to_string(known) +
              " others have (strop operators)",
          std::string(aten_way_out())};
}

}  // namespace strop::onnx

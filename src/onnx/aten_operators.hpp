// SPDX-License-Identifier: Apache-2.0
// Which operator of PyTorch a node calls. Its exporters wrote `ATen` nodes that name one in their
// attribute `operator`, and nodes of the domain `aten` that are one; the converters of all of them
// are in the table under kAtenDomain and the name.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "onnx/converter_table.hpp"
#include "onnx/model_reader.hpp"

namespace strop::onnx {

inline constexpr std::string_view kAtenDomain = "org.pytorch.aten";

struct AtenOperator {
  std::string name;  // without "aten::"; empty: the node does not say
  std::string overload;
};

bool is_aten(std::string_view op_type, std::string_view domain);
// Of a node that is_aten.
AtenOperator aten_operator(const NodeProto& node);
// Null when its meaning is not known.
Converter find_aten_converter(const ConverterTable& table, const AtenOperator& op);
// "aten::slice.Tensor"
std::string aten_name(const AtenOperator& op);
// What there is to say of an operator without a converter.
Error refuse_aten(const ConverterTable& table, const AtenOperator& op);
// How an exporter writes something else instead.
std::string_view aten_way_out();

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// Nodes whose operator a plugin has: one node of the graph each, with the attributes that the
// plugin's schema names.
#pragma once

#include <string>
#include <string_view>

#include "onnx/converter_table.hpp"

namespace strop::onnx {

// The converter of an operator that some plugin has in this opset of its domain; null when none
// has. `known` tells whether one has it in a newer version.
Converter find_plugin_converter(std::string_view domain, std::string_view op_type,
                                std::int64_t opset, bool* known);

// "" or what the plugins that were loaded have in this domain, for the message about an operator
// that nobody has.
std::string plugins_in_domain(std::string_view domain);

}  // namespace strop::onnx

// SPDX-License-Identifier: Apache-2.0
// The operators of the ONNX standard (domains "" and ai.onnx.ml), whether Strop converts them or
// not: an unknown operator is another mistake than one that is not supported.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace strop::onnx {

// The opset that brought the operator; nothing when the standard has none of that name.
std::optional<std::int64_t> standard_operator_since(std::string_view domain, std::string_view name);

}  // namespace strop::onnx

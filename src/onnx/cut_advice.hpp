// SPDX-License-Identifier: Apache-2.0
// The way out that every refused operator has: to build the part of the model before it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "onnx/importer.hpp"

namespace strop::onnx {

// The command that builds a model up to those values, ready for a shell; in words where there is
// none. Names that no command line can carry are left out and counted.
std::string cut_advice(const std::string& model, const ImportOptions& options,
                       const std::vector<std::string_view>& names);

}  // namespace strop::onnx

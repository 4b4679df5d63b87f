// SPDX-License-Identifier: Apache-2.0
// The epilogue of a fused kernel as text: tactics write it into a kernel's parameters, kernels read
// it: "unary:relu:0:0|binary:add:2:0|clip:0:6".
#pragma once

#include <string>
#include <string_view>

#include "plan/epilogue.hpp"

namespace strop::cpu {

std::string to_text(const Epilogue& epilogue);
Epilogue parse_epilogue(std::string_view text);  // throws Error(engine_invalid)

}  // namespace strop::cpu

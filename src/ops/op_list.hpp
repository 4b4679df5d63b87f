// SPDX-License-Identifier: Apache-2.0
// Every operator of the IR. The list behind it is generated from the file names of this folder.
#pragma once

#include <span>
#include <string_view>

#include "ir/op_def.hpp"

namespace strop {

// In order of their names.
std::span<const OpDef* const> all_ops();
// nullptr: there is none of that name.
const OpDef* find_op(std::string_view name);

}  // namespace strop

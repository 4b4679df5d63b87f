// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// x (i8 or u8), table (i8 or u8, 256 elements) -> y = table[the bits of x as an unsigned number].
const OpDef& op_table_lookup();

}  // namespace strop

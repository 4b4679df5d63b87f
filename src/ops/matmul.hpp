// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// a [..., M, K] times b [..., K, N], leading axes broadcast; a 1-D operand is a row (a) or column
// (b) whose axis is left out of the result. No attributes.
const OpDef& op_matmul();

}  // namespace strop

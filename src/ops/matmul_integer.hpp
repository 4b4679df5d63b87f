// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// a [..., M, K] times b [..., K, N] → y i32 [..., M, N], with the rules of matmul. Zero points are
// optional: of a one element, [M], or a's shape with 1 for K; of b one element, [N], or b's shape
// with 1 for K; leading axes may be 1 too. No attributes.
const OpDef& op_matmul_integer();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/conv.hpp"

namespace strop {

// x [N, C, spatial...], w [M, C / group, kernel...], x_zero_point (one element), w_zero_point (one
// element or [M]), bias i32 [M] → y i32 [N, M, spatial...]; the last three are optional. Attributes
// are those of conv (ConvAttributes).
const OpDef& op_conv_integer();

}  // namespace strop

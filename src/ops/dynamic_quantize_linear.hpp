// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// x → y u8 like x, scale f32 [], zero_point u8 []. No attributes.
const OpDef& op_dynamic_quantize_linear();

}  // namespace strop

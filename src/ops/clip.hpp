// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// x, min (scalar, optional), max (scalar, optional). No attributes.
const OpDef& op_clip();

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// condition, a, b, all three broadcast: a where the condition holds, else b. No attributes.
const OpDef& op_select();

}  // namespace strop

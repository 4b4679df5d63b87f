// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// Inputs: condition, captures...; both nested graphs take the captures.
const OpDef& op_if_else();

}  // namespace strop

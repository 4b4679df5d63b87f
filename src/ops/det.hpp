// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/op_def.hpp"

namespace strop {

// x [..., M, M] → y [...].
const OpDef& op_det();

}  // namespace strop

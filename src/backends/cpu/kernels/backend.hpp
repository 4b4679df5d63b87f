// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/backend_abi.h"

namespace strop::cpu {

// What libstrop_cpu exports as strop_backend_v1; for programs that link the backend statically.
const StropBackendTable* backend_table();

}  // namespace strop::cpu

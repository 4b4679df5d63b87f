// SPDX-License-Identifier: Apache-2.0
// The function table of the reference backend, for programs that link it; others find it in
// libstrop_ops.
#pragma once

#include "plan/backend_abi.h"

namespace strop {

const StropBackendTable* reference_backend();

}  // namespace strop

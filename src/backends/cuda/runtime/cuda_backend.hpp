// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "plan/backend_abi.h"

namespace strop::cuda {

// The function table of libstrop_cuda.
const StropBackendTable* cuda_backend();

}  // namespace strop::cuda

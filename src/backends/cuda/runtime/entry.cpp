// SPDX-License-Identifier: Apache-2.0
// The symbol that libstrop_cuda exports. Alone in its file, so that a program that links several
// backends statically has no two of them.
#include "backends/cuda/runtime/cuda_backend.hpp"

extern "C" __attribute__((visibility("default"))) const StropBackendTable* strop_backend_v1(void);
extern "C" __attribute__((visibility("default"))) const StropBackendTable* strop_backend_v1(void) {
  return strop::cuda::cuda_backend();
}

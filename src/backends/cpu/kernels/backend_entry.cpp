// SPDX-License-Identifier: Apache-2.0
// The symbol that the runtime looks for in libstrop_cpu. A file of its own, so that programs which
// link the backend statically do not get it.
#include "backends/cpu/kernels/backend.hpp"

#ifdef _WIN32
#define STROP_BACKEND_EXPORT __declspec(dllexport)
#else
#define STROP_BACKEND_EXPORT __attribute__((visibility("default")))
#endif

extern "C" STROP_BACKEND_EXPORT const StropBackendTable* strop_backend_v1(void);

const StropBackendTable* strop_backend_v1(void) { return strop::cpu::backend_table(); }

// SPDX-License-Identifier: Apache-2.0
// The symbol that libstrop_ops exports. Alone in its file, so that a program that links several
// backends statically has no two of it.
#include "backends/reference/reference_backend.hpp"

#if defined(_WIN32)
#define STROP_BACKEND_API __declspec(dllexport)
#else
#define STROP_BACKEND_API __attribute__((visibility("default")))
#endif

extern "C" STROP_BACKEND_API const StropBackendTable* strop_backend_v1(void);
extern "C" STROP_BACKEND_API const StropBackendTable* strop_backend_v1(void) {
  return strop::reference_backend();
}

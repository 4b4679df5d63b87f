// SPDX-License-Identifier: Apache-2.0
// The symbols that libstrop_ops exports. Alone in their file, so that a program that links several
// backends statically has no two of them.
#include "backends/plugin/plugin_backend.hpp"
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

extern "C" STROP_BACKEND_API const StropBackendTable* strop_plugin_backend_v1(void);
extern "C" STROP_BACKEND_API const StropBackendTable* strop_plugin_backend_v1(void) {
  return strop::plugin_backend();
}

// SPDX-License-Identifier: Apache-2.0
// strop/strop.h: plugins.
#include "runtime/c_api_handles.hpp"
#include "runtime/plugins.hpp"

strop_status strop_load_plugin(const char* path, strop_error** error) {
  return strop::guarded(error, [&] {
    strop::require(path != nullptr, "path");
    strop::load_plugin(path);
  });
}

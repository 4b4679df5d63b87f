// SPDX-License-Identifier: Apache-2.0
// A plugin whose only function reads memory that is not there.
#include <strop/plugin.h>

#include <stddef.h>

const strop_plugin* strop_plugin_entry(uint32_t api_version) {
  const volatile char* const nowhere = (const volatile char*)8;
  (void)api_version;
  (void)*nowhere;
  return NULL;
}

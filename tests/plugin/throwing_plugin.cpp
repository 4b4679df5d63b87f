// SPDX-License-Identifier: Apache-2.0
// A plugin whose only function throws.
#include <strop/plugin.h>

const strop_plugin* strop_plugin_entry(uint32_t) { throw 1; }

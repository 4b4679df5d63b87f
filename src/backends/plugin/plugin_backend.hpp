// SPDX-License-Identifier: Apache-2.0
// The function table of the backend "plugin", for programs that link it; others find it in
// libstrop_ops.
#pragma once

#include <cstdint>

#include "plan/backend_abi.h"

namespace strop {

const StropBackendTable* plugin_backend();

// Plugins of this library, for the table of libstrop_ops (see plan/backend_abi.h).
std::int32_t load_plugin_for_abi(const char* path, StropAbiError* error);
std::uint32_t plugin_count_for_abi();
std::int32_t plugin_at_for_abi(std::uint32_t index, StropAbiPlugin* plugin);

}  // namespace strop

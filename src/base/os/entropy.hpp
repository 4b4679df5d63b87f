// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace strop::os {

// 64 bits from the system's source of randomness, mixed with the clock and a counter of calls:
// where the system has no such source, two calls of one process differ all the same. Safe from any
// thread. Not for secrets.
std::uint64_t fresh_entropy();

}  // namespace strop::os

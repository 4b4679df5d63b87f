// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace strop::os {

// Bytes of this process that lie in physical memory, shared pages included: now, and the most so
// far. 0 if the system does not tell.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace strop::os {

// Bytes of this process that lie in physical memory, shared pages included: now, and the most so
// far. 0 if the system does not tell.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

inline constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20;

// Asks for huge pages where whole ones lie within this memory, which nobody has touched yet. The
// system may not give them; memory is the same either way.
void advise_huge_pages(void* begin, std::uint64_t bytes);

}  // namespace strop::os

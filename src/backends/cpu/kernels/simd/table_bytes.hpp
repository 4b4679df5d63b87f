// SPDX-License-Identifier: Apache-2.0
// Bytes replaced by their entries in a table of 256 bytes.
#pragma once

#include <cstdint>

namespace strop::cpu {

// to[i] = table[from[i]]; `to` may be `from`.
using LookUp = void (*)(std::uint8_t* to, const std::uint8_t* from, const std::uint8_t* table,
                        std::int64_t n);

// Of this processor.
LookUp look_up_bytes();

}  // namespace strop::cpu

// SPDX-License-Identifier: Apache-2.0
// Unpacks a zlib stream (RFC 1950, RFC 1951).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace strop {

// The first `size` bytes of what is packed; whatever follows them is not looked at. False where the
// stream is damaged or holds less. With `check_sum` a stream of exactly this size must have the
// checksum that it tells.
bool inflate(std::span<const std::byte> packed, std::size_t size, bool check_sum,
             std::vector<std::uint8_t>& out);

}  // namespace strop

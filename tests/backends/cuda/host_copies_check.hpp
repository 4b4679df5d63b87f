// SPDX-License-Identifier: Apache-2.0
// Copies of pageable memory to the device and back.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "runtime/device_session.hpp"

namespace strop::testing {

// Of few and many pieces, with ends that are no whole ones; each time there is something else, and
// the source changes as soon as the copy is ordered.
inline void check_host_copies() {
  DeviceSession session("cuda", 0, 0);
  constexpr std::int64_t kMost = (37 << 20) + 13;
  void* memory = session.allocate(kMost);
  std::vector<unsigned char> from(kMost), to(kMost);
  unsigned state = 1;
  for (const std::int64_t bytes : {std::int64_t{100}, std::int64_t{2 << 20}, kMost,
                                   std::int64_t{3 << 20} + 1, std::int64_t{16 << 20}}) {
    for (std::int64_t i = 0; i < bytes; ++i) {
      state = state * 1664525u + 1013904223u;
      from[static_cast<std::size_t>(i)] = static_cast<unsigned char>(state >> 24);
    }
    const std::vector<unsigned char> kept = from;
    const auto size = static_cast<std::size_t>(bytes);
    session.copy(memory, from.data(), bytes, STROP_ABI_TO_DEVICE);
    if (bytes >= 2 << 20) std::memset(from.data(), 0, size);
    session.copy(to.data(), memory, bytes, STROP_ABI_TO_HOST);
    session.synchronize();
    EXPECT_EQ(std::memcmp(to.data(), kept.data(), size), 0) << bytes;
  }
  session.release(memory, kMost);
}

}  // namespace strop::testing

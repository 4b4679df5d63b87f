// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10, a counter-based generator: the words of block i are a function of the key and i
// alone, so what an element gets depends neither on threads nor on what was drawn before.
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: "Parallel random numbers: as easy as 1, 2, 3"
// (SC 2011).
#pragma once

#include <array>
#include <cstdint>

namespace strop {

using PhiloxBlock = std::array<std::uint32_t, 4>;

constexpr PhiloxBlock philox_4x32_10(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// The stream of one key.
class PhiloxStream {
 public:
  explicit constexpr PhiloxStream(std::uint64_t key)
      : key_{static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)} {}

  constexpr PhiloxBlock block(std::int64_t index) const {
    const auto i = static_cast<std::uint64_t>(index);
    return philox_4x32_10({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32)},
                          key_);
  }

 private:
  std::array<std::uint32_t, 2> key_;
};

// In [0, 1): 24 bits of one word, or 53 bits of two; both exact.
constexpr float unit_float(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
constexpr double unit_double(std::uint32_t high, std::uint32_t low) {
  return static_cast<double>(((std::uint64_t{high} << 32) | low) >> 11) * 0x1p-53;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "base/os/entropy.hpp"

#include <atomic>
#include <exception>
#include <random>

#include "base/os/clock.hpp"

namespace strop::os {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every bit.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

std::uint64_t of_system() {
  try {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | std::uint64_t{device()};
  } catch (const std::exception&) {  // no source
    return 0;
  }
}

}  // namespace

std::uint64_t fresh_entropy() {
  static const std::uint64_t start = mixed(static_cast<std::uint64_t>(monotonic_ns()));
  static std::atomic<std::uint64_t> calls{0};
  const std::uint64_t call = calls.fetch_add(1, std::memory_order_relaxed);
  return mixed(start + call * 0x9e3779b97f4a7c15u) ^ of_system();
}

}  // namespace strop::os

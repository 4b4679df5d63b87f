// SPDX-License-Identifier: Apache-2.0
// XXH3-128 of bytes as a value: names content in caches, tables and file names. Fast and the same
// on every machine, but not cryptographic: it finds accidents, not forgeries.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace strop {

struct Hash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  // 32 lower-case digits, as `xxhsum -H128` prints them.
  std::string hex() const;
  // Reads hex(); nothing if it is anything else.
  static std::optional<Hash> from_hex(std::string_view text);
  auto operator<=>(const Hash&) const = default;
};

Hash hash_bytes(std::span<const std::byte> bytes);
inline Hash hash_bytes(std::string_view text) { return hash_bytes(std::as_bytes(std::span(text))); }

// The hash of all that was added, as if it had been one piece.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& add(std::span<const std::byte> bytes);
  // Text with its length before it, so that ("ab", "c") differs from ("a", "bc").
  Hasher& add(std::string_view text);
  // An integer or enumeration as 8 bytes, little-endian on every machine.
  template <class T>
  requires(std::is_integral_v<T> || std::is_enum_v<T>) Hasher& add(T value) {
    return add_number(static_cast<std::uint64_t>(value));
  }
  Hasher& add(const Hash& hash) { return add(hash.high).add(hash.low); }
  Hash result() const;

 private:
  Hasher& add_number(std::uint64_t value);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace strop

template <>
struct std::hash<strop::Hash> {
  std::size_t operator()(const strop::Hash& hash) const noexcept {
    return static_cast<std::size_t>(hash.low);
  }
};

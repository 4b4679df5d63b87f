// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"

#include <gtest/gtest.h>

#include <unordered_set>
#include <vector>

namespace strop {
namespace {

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i % 251);
  return out;
}

TEST(Hash, agrees_with_xxhsum) {
  EXPECT_EQ(hash_bytes("").hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_bytes("strop").hex(), "0a673c4a8e90cb0369831fefdf1a61a2");
  EXPECT_EQ(hash_bytes(pattern(100000)).hex(), "54182c58bbb1337c42c23aeead96750d");
}

TEST(Hash, pieces_hash_as_the_whole) {
  const std::vector<std::byte> bytes = pattern(100000);
  const std::span<const std::byte> all(bytes);
  Hasher hasher;
  for (std::size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 3 + 1) {
    hasher.add(all.subspan(at, std::min(step, bytes.size() - at)));
  }
  EXPECT_EQ(hasher.result(), hash_bytes(bytes));
  EXPECT_EQ(hasher.result(), hash_bytes(bytes)) << "asking changes nothing";
}

TEST(Hash, boundaries_between_values_count) {
  enum class Letter { a, b };
  EXPECT_NE(Hasher().add("ab").add("c").result(), Hasher().add("a").add("bc").result());
  EXPECT_NE(Hasher().add(1).add(2).result(), Hasher().add(2).add(1).result());
  EXPECT_EQ(Hasher().add(std::int8_t{-1}).result(), Hasher().add(std::int64_t{-1}).result());
  EXPECT_NE(Hasher().add(Letter::a).result(), Hasher().add(Letter::b).result());
  EXPECT_EQ(Hasher().add(hash_bytes("x")).result(), Hasher().add(hash_bytes("x")).result());
}

TEST(Hash, text_is_read_back) {
  const Hash hash = hash_bytes("strop");
  EXPECT_EQ(Hash::from_hex(hash.hex()), hash);
  for (const char* text :
       {"", "0a673c4a8e90cb0369831fefdf1a61a", "0A673c4a8e90cb0369831fefdf1a61a2",
        "0a673c4a8e90cb0369831fefdf1a61a2 ", "0x673c4a8e90cb0369831fefdf1a61a2"}) {
    EXPECT_EQ(Hash::from_hex(text), std::nullopt) << text;
  }
  EXPECT_EQ(std::unordered_set<Hash>({hash, hash, Hash()}).size(), 2u);
  EXPECT_LT(Hash(), hash);
}

}  // namespace
}  // namespace strop

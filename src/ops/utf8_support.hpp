// SPDX-License-Identifier: Apache-2.0
// Strings of a model are bytes that should be UTF-8. What is not is data all the same: it is
// carried along byte by byte, and is no character of anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strop {

inline constexpr std::uint32_t kLastCodePoint = 0x10ffff;
inline constexpr std::uint32_t kNoCodePoint = 0xffffffff;

struct Utf8Unit {
  std::uint32_t code = kNoCodePoint;  // kNoCodePoint: a byte that is no UTF-8
  std::uint32_t bytes = 1;
};

// What stands at the beginning of `text`, which is not empty. Overlong forms and what lies above
// the last code point are no UTF-8; surrogates are taken for code points.
Utf8Unit decode_utf8(std::string_view text);

// Code points as ranges, first and last of each.
using CodePointSet = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
// The same set with its ranges sorted and apart from each other.
CodePointSet normalized(CodePointSet set);

// Appends a code point of at most kLastCodePoint.
void append_utf8(std::string& out, std::uint32_t code);

}  // namespace strop

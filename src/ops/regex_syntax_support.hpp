// SPDX-License-Identifier: Apache-2.0
// Regular expressions in the syntax of RE2 (its flags as by default: Perl's classes, `.` without
// line ends, ^ and $ at the ends of the text). Not taken, and refused by name: Unicode classes
// (\pN, \p{Greek}) and single bytes (\C). What RE2 refuses is refused: backreferences, look-around,
// repetition over 1000.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ops/utf8_support.hpp"

namespace strop {

struct RegexNode;
using RegexNodePtr = std::unique_ptr<RegexNode>;

struct RegexNode {
  enum Kind : std::uint8_t {
    empty,
    set,          // one character of `characters`
    sequence,     // all parts, one after the other
    alternation,  // one of the parts
    repetition,   // the only part, from `least` to `most` times (-1: without end)
    begin_text,
    end_text,
    begin_line,
    end_line,
    word_boundary,
    no_word_boundary
  } kind = empty;
  CodePointSet characters{};
  std::vector<RegexNodePtr> parts{};
  std::int32_t least = 0, most = 0;
};

// Throws Error(bad_attribute) that says where in the pattern what is wrong.
RegexNodePtr parse_regex(std::string_view pattern);
}  // namespace strop

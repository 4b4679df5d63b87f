// SPDX-License-Identifier: Apache-2.0
// A regular expression as an automaton that follows all its paths at once (Thompson, "Regular
// Expression Search Algorithm", 1968; Pike's form of it). Time is linear in the text, whatever
// pattern and text are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "ops/regex_syntax_support.hpp"

namespace strop {

class RegexProgram {
 public:
  // Throws Error(bad_attribute) when the pattern is wrong or its automaton too large.
  explicit RegexProgram(std::string_view pattern);

  // Whether the whole text is one match. Bytes that are no UTF-8 are matched by nothing. `tick` is
  // called every few thousand steps, and may throw.
  bool matches(std::string_view text, const std::function<void()>& tick) const;

 private:
  struct Instruction {
    enum Kind : std::uint8_t {
      character,  // one of a set, then `next`
      split,      // `next` and `other`
      assertion,  // where it holds, `next`
      match
    } kind = match;
    RegexNode::Kind assertion_kind = RegexNode::empty;
    std::int32_t set = 0, next = 0, other = 0;
  };
  struct Threads;

  std::int32_t add(const Instruction& instruction);
  // The node and then `next`; where that begins.
  std::int32_t emit(const RegexNode& node, std::int32_t next);
  std::int32_t emit_repetition(const RegexNode& node, std::int32_t next);
  bool contains(std::int32_t set, std::uint32_t code) const;
  void follow(std::int32_t at, std::uint32_t before, std::uint32_t after, bool first, bool last,
              Threads& threads) const;

  std::vector<Instruction> instructions_;
  std::vector<CodePointSet> sets_;
  std::int32_t start_ = 0;
  // While it is compiled: places of sets, and visits of nodes.
  std::map<CodePointSet, std::int32_t> places_;
  std::int64_t visits_ = 0;
};

}  // namespace strop

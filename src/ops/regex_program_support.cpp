// SPDX-License-Identifier: Apache-2.0
#include "ops/regex_program_support.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace strop {
namespace {

constexpr std::size_t kMostInstructions = 20'000;
// Nodes visited while repetitions are written out. Those without characters make no instructions.
constexpr std::int64_t kMostVisits = 1'000'000;

constexpr std::uint32_t kNoCharacter = kNoCodePoint;  // before the text and after it

bool is_word(std::uint32_t code) {
  return (code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') ||
         (code >= 'a' && code <= 'z') || code == '_';
}

}  // namespace

// The instructions that paths stand at, in no order, each once.
struct RegexProgram::Threads {
  explicit Threads(std::size_t size) : member(size, 0) {}

  bool add(std::int32_t at) {
    std::uint8_t& flag = member[static_cast<std::size_t>(at)];
    if (flag != 0) return false;
    flag = 1;
    list.push_back(at);
    return true;
  }
  void clear() {
    for (const std::int32_t at : list) member[static_cast<std::size_t>(at)] = 0;
    list.clear();
  }

  std::vector<std::uint8_t> member;
  std::vector<std::int32_t> list;
};

RegexProgram::RegexProgram(std::string_view pattern) {
  const RegexNodePtr tree = parse_regex(pattern);
  start_ = emit(*tree, add({}));
  places_.clear();
}

std::int32_t RegexProgram::add(const Instruction& instruction) {
  if (instructions_.size() >= kMostInstructions) {
    throw Error(ErrorCode::bad_attribute, "the regular expression",
                "its automaton has more than " + std::to_string(kMostInstructions) + " states");
  }
  instructions_.push_back(instruction);
  return static_cast<std::int32_t>(instructions_.size() - 1);
}

std::int32_t RegexProgram::emit(const RegexNode& node, std::int32_t next) {
  if (++visits_ > kMostVisits) {
    throw Error(ErrorCode::bad_attribute, "the regular expression",
                "its repetitions are too many to be written out");
  }
  switch (node.kind) {
    case RegexNode::empty:
      return next;
    case RegexNode::set: {
      const auto fresh = static_cast<std::int32_t>(sets_.size());
      const auto [known, added] = places_.try_emplace(node.characters, fresh);
      if (added) sets_.push_back(node.characters);
      return add({.kind = Instruction::character, .set = known->second, .next = next});
    }
    case RegexNode::sequence:
      for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part) {
        next = emit(**part, next);
      }
      return next;
    case RegexNode::alternation: {
      std::int32_t at = emit(*node.parts.back(), next);
      for (auto part = node.parts.rbegin() + 1; part != node.parts.rend(); ++part) {
        const std::int32_t choice = emit(**part, next);
        at = add({.kind = Instruction::split, .next = choice, .other = at});
      }
      return at;
    }
    case RegexNode::repetition:
      return emit_repetition(node, next);
    default:
      return add({.kind = Instruction::assertion, .assertion_kind = node.kind, .next = next});
  }
}

std::int32_t RegexProgram::emit_repetition(const RegexNode& node, std::int32_t next) {
  const RegexNode& part = *node.parts.front();
  std::int32_t at = next;
  if (node.most < 0) {
    at = add({.kind = Instruction::split, .other = next});
    const std::int32_t loop = at;
    const std::int32_t body = emit(part, loop);  // may grow the list of instructions
    instructions_[static_cast<std::size_t>(loop)].next = body;
  } else {
    for (std::int32_t i = node.least; i < node.most; ++i) {
      const std::int32_t body = emit(part, at);
      at = add({.kind = Instruction::split, .next = body, .other = next});
    }
  }
  for (std::int32_t i = 0; i < node.least; ++i) at = emit(part, at);
  return at;
}

bool RegexProgram::contains(std::int32_t set, std::uint32_t code) const {
  const CodePointSet& ranges = sets_[static_cast<std::size_t>(set)];
  const auto after = std::ranges::upper_bound(ranges, code, {}, &CodePointSet::value_type::first);
  return after != ranges.begin() && code <= std::prev(after)->second;
}

// Adds what can be reached without a character, between `before` and `after`.
void RegexProgram::follow(std::int32_t from, std::uint32_t before, std::uint32_t after, bool first,
                          bool last, Threads& threads) const {
  const std::size_t begin = threads.list.size();
  threads.add(from);
  for (std::size_t i = begin; i < threads.list.size(); ++i) {
    const Instruction& instruction = instructions_[static_cast<std::size_t>(threads.list[i])];
    if (instruction.kind == Instruction::split) {
      threads.add(instruction.next);
      threads.add(instruction.other);
    } else if (instruction.kind == Instruction::assertion) {
      bool holds = false;
      switch (instruction.assertion_kind) {
        case RegexNode::begin_text:
          holds = first;
          break;
        case RegexNode::end_text:
          holds = last;
          break;
        case RegexNode::begin_line:
          holds = first || before == '\n';
          break;
        case RegexNode::end_line:
          holds = last || after == '\n';
          break;
        case RegexNode::word_boundary:
          holds = is_word(before) != is_word(after);
          break;
        default:
          holds = is_word(before) == is_word(after);
      }
      if (holds) threads.add(instruction.next);
    }
  }
}

bool RegexProgram::matches(std::string_view text, const std::function<void()>& tick) const {
  constexpr std::size_t kTick = 65'536;
  Threads now(instructions_.size()), then(instructions_.size());
  const auto peek = [](std::string_view rest) {
    return rest.empty() ? Utf8Unit{kNoCharacter, 0} : decode_utf8(rest);
  };
  Utf8Unit next = peek(text);
  follow(start_, kNoCharacter, next.code, true, text.empty(), now);
  std::size_t steps = 0;
  while (!text.empty() && !now.list.empty()) {
    const std::uint32_t code = next.code;
    text.remove_prefix(next.bytes);
    next = peek(text);
    for (const std::int32_t at : now.list) {
      const Instruction& instruction = instructions_[static_cast<std::size_t>(at)];
      if (instruction.kind != Instruction::character || !contains(instruction.set, code)) continue;
      follow(instruction.next, code, next.code, false, text.empty(), then);
    }
    steps += now.list.size() + then.list.size() + 1;
    if (steps > kTick) {
      tick();
      steps = 0;
    }
    std::swap(now, then);
    then.clear();
  }
  if (!text.empty()) return false;
  return std::ranges::any_of(now.list, [&](std::int32_t at) {
    return instructions_[static_cast<std::size_t>(at)].kind == Instruction::match;
  });
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ops/regex_syntax_support.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "ops/letter_case_support.hpp"
#include "ops/utf8_support.hpp"

namespace strop {
namespace {

constexpr std::size_t kLongestPattern = std::size_t{1} << 16;
constexpr int kDeepest = 250;  // groups in groups
constexpr std::int32_t kMostRepeats =
    1000;  // of one part, and of repetitions in repetitions together

CodePointSet complement(const CodePointSet& set) {
  CodePointSet out;
  std::uint32_t next = 0;
  for (const auto& [first, last] : set) {
    if (first > next) out.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next <= kLastCodePoint) out.emplace_back(next, kLastCodePoint);
  return out;
}

const CodePointSet kDigits = {{'0', '9'}};
const CodePointSet kSpaces = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
const CodePointSet kWords = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

struct NamedSet {
  std::string_view name;
  CodePointSet set;
};

const std::array<NamedSet, 14>& posix_classes() {
  static const std::array<NamedSet, 14> classes = {{
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 0x7f}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
      {"digit", kDigits},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", kWords},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
  }};
  return classes;
}

struct Flags {
  bool ignore_case = false, multi_line = false, dot_all = false;
};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  RegexNodePtr parse() {
    Flags flags;
    RegexNodePtr out = alternation(flags, 0);
    if (!at_end()) fail("a ) without a (");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorCode::bad_attribute,
                "the regular expression \"" + std::string(pattern_.substr(0, 200)) + "\"",
                why + ", at byte " + std::to_string(at_), "write it in the syntax of RE2");
  }

  bool at_end() const { return at_ >= pattern_.size(); }
  bool starts(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!starts(text)) return false;
    at_ += text.size();
    return true;
  }
  std::uint32_t next_character() {
    const Utf8Unit unit = decode_utf8(pattern_.substr(at_));
    if (unit.code == kNoCodePoint) fail("a byte that is no UTF-8");
    at_ += unit.bytes;
    return unit.code;
  }

  static RegexNodePtr node(RegexNode::Kind kind) {
    auto out = std::make_unique<RegexNode>();
    out->kind = kind;
    return out;
  }
  static RegexNodePtr set_node(CodePointSet set, const Flags& flags) {
    auto out = node(RegexNode::set);
    if (flags.ignore_case) add_other_case(set);
    out->characters = normalized(std::move(set));
    return out;
  }
  static RegexNodePtr joined(RegexNode::Kind kind, std::vector<RegexNodePtr> parts) {
    if (parts.size() == 1) return std::move(parts.front());
    auto out = node(parts.empty() ? RegexNode::empty : kind);
    out->parts = std::move(parts);
    return out;
  }

  // Up to the end or a ) that is not taken. Flags set within hold to the end of the group.
  RegexNodePtr alternation(Flags& flags, int depth) {
    if (depth > kDeepest) fail("groups are nested too deeply");
    std::vector<RegexNodePtr> choices;
    do {
      choices.push_back(sequence(flags, depth));
    } while (take("|"));
    return joined(RegexNode::alternation, std::move(choices));
  }

  RegexNodePtr sequence(Flags& flags, int depth) {
    std::vector<RegexNodePtr> parts;
    bool repeated = false;  // the last part; RE2 takes no repetition of a bare repetition
    while (!at_end() && !starts("|") && !starts(")")) {
      std::int32_t least = 0, most = 0;
      if (take_repetition(least, most)) {
        if (parts.empty()) fail("a repetition of nothing");
        if (repeated) fail("a repetition of a repetition");
        auto repetition = node(RegexNode::repetition);
        repetition->least = least;
        repetition->most = most;
        repetition->parts.push_back(std::move(parts.back()));
        parts.back() = std::move(repetition);
        repeated = true;
        continue;
      }
      repeated = false;
      if (take("\\Q")) {
        literal(flags, parts);
      } else if (RegexNodePtr part = atom(flags, depth)) {
        parts.push_back(std::move(part));
      }
    }
    return joined(RegexNode::sequence, std::move(parts));
  }

  // *, +, ?, {n}, {n,}, {n,m}, with a ? that makes no difference to a full match.
  bool take_repetition(std::int32_t& least, std::int32_t& most) {
    if (take("*")) {
      least = 0, most = -1;
    } else if (take("+")) {
      least = 1, most = -1;
    } else if (take("?")) {
      least = 0, most = 1;
    } else if (!take_counts(least, most)) {
      return false;
    }
    take("?");
    return true;
  }

  // A { that begins no counts is a character like others.
  bool take_counts(std::int32_t& least, std::int32_t& most) {
    if (!starts("{")) return false;
    const std::size_t start = at_++;
    const auto first = number();
    bool counts = first.has_value();
    most = least = first.value_or(0);
    if (counts && take(",")) {
      const auto second = number();
      most = second.value_or(-1);
    }
    counts = counts && take("}");
    if (!counts) {
      at_ = start;
      return false;
    }
    if (least > kMostRepeats || most > kMostRepeats || (most >= 0 && most < least)) {
      fail("a repetition from " + std::to_string(least) + " to " + std::to_string(most) + " times");
    }
    return true;
  }

  std::optional<std::int32_t> number() {
    std::int32_t value = 0;
    const std::size_t start = at_;
    for (; !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
      value = std::min(10 * value + (pattern_[at_] - '0'), 100'000);
    }
    if (at_ == start) return std::nullopt;
    return value;
  }

  // \Q...\E: every character stands for itself.
  void literal(const Flags& flags, std::vector<RegexNodePtr>& parts) {
    while (!at_end() && !take("\\E")) {
      const std::uint32_t code = next_character();
      parts.push_back(set_node({{code, code}}, flags));
    }
  }

  // Null: flags that hold from here on.
  RegexNodePtr atom(Flags& flags, int depth) {
    if (take("(")) return group(flags, depth);
    if (take("[")) return bracketed(flags);
    if (take(".")) {
      return set_node(
          flags.dot_all ? CodePointSet{{0, kLastCodePoint}} : complement({{'\n', '\n'}}), Flags{});
    }
    if (take("^")) return node(flags.multi_line ? RegexNode::begin_line : RegexNode::begin_text);
    if (take("$")) return node(flags.multi_line ? RegexNode::end_line : RegexNode::end_text);
    if (take("\\A")) return node(RegexNode::begin_text);
    if (take("\\z")) return node(RegexNode::end_text);
    if (take("\\b")) return node(RegexNode::word_boundary);
    if (take("\\B")) return node(RegexNode::no_word_boundary);
    if (starts("\\")) {
      if (auto set = class_escape(flags)) return set_node(std::move(*set), Flags{});
      const std::uint32_t code = character_escape();
      return set_node({{code, code}}, flags);
    }
    const std::uint32_t code = next_character();
    return set_node({{code, code}}, flags);
  }

  RegexNodePtr group(Flags& flags, int depth) {
    Flags inside = flags;
    if (take("?")) {
      if (take("P<") || take("<")) {
        if (starts("=") || starts("!")) fail("look-behind");
        take_name();
      } else if (starts("=") || starts("!")) {
        fail("look-ahead");
      } else if (!take_flags(inside)) {
        flags = inside;
        return nullptr;
      }
    }
    RegexNodePtr out = alternation(inside, depth + 1);
    if (!take(")")) fail("a ( without a )");
    if (out->kind == RegexNode::empty) return out;
    // A group may be repeated where its content may not.
    std::vector<RegexNodePtr> parts;
    parts.push_back(std::move(out));
    auto whole = node(RegexNode::sequence);
    whole->parts = std::move(parts);
    return whole;
  }

  void take_name() {
    const std::size_t start = at_;
    const auto in_name = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    };
    while (!at_end() && in_name(pattern_[at_])) ++at_;
    if (at_ == start || !take(">")) fail("the name of a group");
  }

  // Flags up to : (true: they are a group's) or ) (false).
  bool take_flags(Flags& flags) {
    bool on = true, any = false;
    while (!at_end()) {
      const char c = pattern_[at_++];
      if (c == ':' || c == ')') {
        if (!on && !any) break;
        return c == ':';
      }
      if (c == '-' && on) {
        on = any = false;
        continue;
      }
      any = true;
      if (c == 'i') {
        flags.ignore_case = on;
      } else if (c == 'm') {
        flags.multi_line = on;
      } else if (c == 's') {
        flags.dot_all = on;
      } else if (c != 'U') {  // which repetition prefers less makes no difference to a full match
        break;
      }
    }
    fail("flags of a group");
  }

  // \d and the like; nothing, and nothing taken, for other escapes.
  std::optional<CodePointSet> class_escape(const Flags& flags) {
    if (at_ + 1 >= pattern_.size()) fail("a \\ at the end");
    const char c = pattern_[at_ + 1];
    const CodePointSet* base = nullptr;
    switch (c) {
      case 'd':
      case 'D':
        base = &kDigits;
        break;
      case 's':
      case 'S':
        base = &kSpaces;
        break;
      case 'w':
      case 'W':
        base = &kWords;
        break;
      case 'p':
      case 'P':
        fail("Unicode classes (\\p) are not supported");
      case 'C':
        fail("single bytes (\\C) are not supported");
      default:
        return std::nullopt;
    }
    at_ += 2;
    CodePointSet set = *base;
    if (flags.ignore_case) add_other_case(set);
    set = normalized(std::move(set));
    return c < 'a' ? complement(set) : set;
  }

  std::uint32_t character_escape() {
    ++at_;
    if (at_end()) fail("a \\ at the end");
    const char c = pattern_[at_];
    const auto octal = [&] { return !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '7'; };
    if (c >= '0' && c <= '9') {
      const bool more =
          at_ + 1 < pattern_.size() && pattern_[at_ + 1] >= '0' && pattern_[at_ + 1] <= '7';
      if (c >= '8' || (c != '0' && !more)) fail("a backreference");
      std::uint32_t code = 0;
      for (int digits = 0; digits < 3 && octal(); ++digits) {
        code = 8 * code + static_cast<std::uint32_t>(pattern_[at_++] - '0');
      }
      return code;
    }
    static constexpr std::string_view kNames = "aftnrv", kCodes = "\a\f\t\n\r\v";
    if (const std::size_t known = kNames.find(c); known != std::string_view::npos) {
      ++at_;
      return static_cast<unsigned char>(kCodes[known]);
    }
    if (c == 'x') {
      ++at_;
      return hexadecimal();
    }
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    if (letter || static_cast<unsigned char>(c) >= 0x80) fail("an escape that means nothing");
    ++at_;
    return static_cast<unsigned char>(c);
  }

  // Two digits, or any number in braces.
  std::uint32_t hexadecimal() {
    const bool braces = take("{");
    std::uint32_t code = 0;
    std::size_t digits = 0;
    for (; !at_end() && (braces || digits < 2); ++at_, ++digits) {
      const char c = pattern_[at_];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) break;
      code = 16 * code + static_cast<std::uint32_t>(digit);
      if (code > kLastCodePoint) fail("a character beyond the last one");
    }
    const bool whole = braces ? digits > 0 && take("}") : digits == 2;
    if (!whole) fail("the digits of \\x");
    return code;
  }

  // After the [. A ] that comes first, and a - that makes no range, stand for themselves.
  RegexNodePtr bracketed(const Flags& flags) {
    const bool negated = take("^");
    CodePointSet set, plain;
    for (bool first = true; first || !starts("]"); first = false) {
      if (at_end()) fail("a [ without a ]");
      if (starts("[:") && add_posix_class(flags, set)) continue;
      if (starts("\\")) {
        if (const auto escaped = class_escape(flags)) {
          set.insert(set.end(), escaped->begin(), escaped->end());
          continue;
        }
      }
      const std::uint32_t from = class_character();
      std::uint32_t to = from;
      if (starts("-") && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        ++at_;
        if (starts("\\") && class_escape(flags)) fail("a range that ends in a class");
        to = class_character();
        if (to < from) fail("a range that ends before it begins");
      }
      plain.emplace_back(from, to);
    }
    take("]");
    if (flags.ignore_case) add_other_case(plain);
    set.insert(set.end(), plain.begin(), plain.end());
    set = normalized(std::move(set));
    return set_node(negated ? complement(set) : set, Flags{});
  }

  std::uint32_t class_character() {
    if (at_end()) fail("a [ without a ]");
    return starts("\\") ? character_escape() : next_character();
  }

  bool add_posix_class(const Flags& flags, CodePointSet& set) {
    const std::size_t end = pattern_.find(":]", at_ + 2);
    if (end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto& classes = posix_classes();
    const auto found = std::ranges::find(classes, name, &NamedSet::name);
    if (found == classes.end())
      fail("there is no class [:" + std::string(name.substr(0, 40)) + ":]");
    CodePointSet members = found->set;
    if (flags.ignore_case) add_other_case(members);
    members = normalized(std::move(members));
    if (negated) members = complement(members);
    set.insert(set.end(), members.begin(), members.end());
    at_ = end + 2;
    return true;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
};

// The longest a text may be repeated by repetitions in each other.
void check_repeats(const RegexNode& node, std::int64_t around) {
  if (node.kind == RegexNode::repetition) {
    around *= std::max<std::int64_t>({1, node.least, node.most});
    if (around > kMostRepeats) {
      throw Error(ErrorCode::bad_attribute, "the regular expression",
                  "repetitions in each other repeat something " + std::to_string(around) +
                      " times; at most " + std::to_string(kMostRepeats) + " are taken");
    }
  }
  for (const RegexNodePtr& part : node.parts) check_repeats(*part, around);
}

}  // namespace

RegexNodePtr parse_regex(std::string_view pattern) {
  if (pattern.size() > kLongestPattern) {
    throw Error(ErrorCode::bad_attribute, "the regular expression",
                "it has " + std::to_string(pattern.size()) + " bytes; at most " +
                    std::to_string(kLongestPattern) + " are taken");
  }
  RegexNodePtr out = Parser(pattern).parse();
  check_repeats(*out, 1);
  return out;
}

}  // namespace strop

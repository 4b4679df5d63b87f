// SPDX-License-Identifier: Apache-2.0
#include "ops/regex_match.hpp"

#include <chrono>

#include "ops/run_op.hpp"

namespace strop {
namespace {

bool matches(const std::string& pattern, const std::string& text) {
  const Tensor y = run_op(op_regex_match(), RegexMatchAttributes{.pattern = pattern},
                          {Tensor::from_strings({}, {text})});
  return y.values<bool>()[0];
}

void expect_matches(const std::string& pattern, const std::vector<std::string>& good,
                    const std::vector<std::string>& bad) {
  for (const std::string& text : good)
    EXPECT_TRUE(matches(pattern, text)) << pattern << ": " << text;
  for (const std::string& text : bad)
    EXPECT_FALSE(matches(pattern, text)) << pattern << ": " << text;
}

void expect_refused(const std::string& pattern, const std::string& why) {
  try {
    matches(pattern, "");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_attribute);
    EXPECT_NE(error.message().find(why), std::string::npos) << error.message();
    return;
  }
  ADD_FAILURE() << pattern << " is taken";
}

TEST(RegexMatch, matches_the_whole_text) {
  expect_matches("", {""}, {"a"});
  expect_matches("abc", {"abc"}, {"ab", "abcd", "xabc", "ABC"});
  expect_matches("ab|cd", {"ab", "cd"}, {"abd", "acd", ""});
  expect_matches("(a|)b", {"ab", "b"}, {"aab"});
  expect_matches("www.[\\w.-]+@example", {"www.a-b.c@example"}, {"www.@example"});
}

TEST(RegexMatch, repeats) {
  expect_matches("a*b+c?", {"b", "aabbc", "bc"}, {"", "ac", "bcc"});
  expect_matches("a{2}", {"aa"}, {"a", "aaa"});
  expect_matches("a{2,}", {"aa", "aaaaa"}, {"a"});
  expect_matches("(ab){1,2}?", {"ab", "abab"}, {"", "ababab"});
  expect_matches("a{0}", {""}, {"a"});
  expect_matches("a{,2}x{", {"a{,2}x{"}, {"aax{"});
  expect_matches("(a*)*(b|c*)+", {"", "aab", "ccc", "aabcb"}, {"abd"});
}

TEST(RegexMatch, knows_classes) {
  expect_matches(".", {"a", "\u00e9", "\U0001f600"}, {"", "\n", "ab"});
  expect_matches("(?s).", {"\n"}, {""});
  expect_matches("[a-cx]", {"a", "c", "x"}, {"d", "-"});
  expect_matches("[^a-c]", {"d", "\n", "\u00e9"}, {"a"});
  expect_matches("[]a-]", {"]", "a", "-"}, {"b"});
  expect_matches("[^]]", {"["}, {"]"});
  expect_matches("[\\d\\-_]", {"7", "-", "_"}, {"d", "\\"});
  expect_matches("[[:alpha:]0]", {"q", "Q", "0"}, {"1"});
  expect_matches("[[:^space:]]", {"a"}, {" ", "\v"});
  expect_matches("\\d\\D\\s\\S\\w\\W", {"1a b_-"}, {"a1 b_-", "1a\vb_-"});
  expect_matches("\\d", {"5"}, {"\u0967"});  // digits of ASCII alone
  expect_matches("[\u00e0-\u00ff]", {"\u00e9"}, {"e", "\u00d8"});
}

TEST(RegexMatch, knows_escapes) {
  expect_matches("\\.\\*\\\\", {".*\\"}, {"a*\\"});
  expect_matches("\\x41\\x{e9}\\101\\n\\t", {"A\u00e9A\n\t"}, {"A"});
  expect_matches("\\Qa.b*\\E+", {"a.b***"}, {"axb*"});
  expect_matches(std::string("a\0b", 3), {std::string("a\0b", 3)}, {"ab"});
}

TEST(RegexMatch, ignores_case_where_it_is_told_to) {
  expect_matches("(?i)straSSe", {"STRASSE", "strasse", "stra\u017fse"}, {"stra\u00dfe"});
  expect_matches("(?i:k)k", {"Kk", "\u212ak"}, {"kK"});
  expect_matches("(?i)[a-c\u03c3]", {"B", "\u03a3", "\u03c2"}, {"d"});
  expect_matches("(?i)a(?-i)b", {"Ab"}, {"AB"});
  expect_matches("(?i)[^k]", {"j"}, {"K", "\u212a"});
}

TEST(RegexMatch, knows_where_it_is) {
  expect_matches("^a$", {"a"}, {"a\n"});
  expect_matches("(?m)^a$\n^b$", {"a\nb"}, {"a\n\nb"});
  expect_matches("a^b|a$b", {}, {"ab"});
  expect_matches("\\bfoo\\b.*", {"foo", "foo-"}, {"food"});
  expect_matches("a\\Bb", {"ab"}, {});
  expect_matches("\\Aa\\z", {"a"}, {""});
}

TEST(RegexMatch, takes_groups_of_every_kind) {
  expect_matches("(?:a)(?P<name>b)(?<n>c)", {"abc"}, {"ab"});
  expect_matches("a(?i)+", {"aa"}, {"aA"});
}

TEST(RegexMatch, matches_no_bytes_that_are_no_utf8) {
  expect_matches(".*", {"", "abc"}, {"a\xff", "\xc3", "\xc0\x80", "\xf4\x90\x80\x80"});
  expect_matches("[^a]", {}, {"\x80"});
  expect_refused("a\xff", "no UTF-8");
}

TEST(RegexMatch, takes_linear_time) {
  const auto start = std::chrono::steady_clock::now();
  const std::string text(20'000, 'a');
  EXPECT_FALSE(matches("(a*)*b", text));
  EXPECT_FALSE(matches("(a|a)*b", text));
  EXPECT_FALSE(matches("(a?){50}a{50}b", text));
  EXPECT_TRUE(matches("(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)", text));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(RegexMatch, stops_at_the_deadline) {
  const Datum x = Tensor::from_strings({}, {std::string(1 << 20, 'a')});
  const Datum* inputs[] = {&x};
  RunLimits limits;
  limits.deadline = std::chrono::steady_clock::now();
  std::vector<Datum> outputs;
  try {
    evaluate_op(op_regex_match(), RegexMatchAttributes{.pattern = "((a*)*)*b"}, inputs, {}, 1,
                outputs, limits);
    ADD_FAILURE() << "it ran to the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST(RegexMatch, refuses_by_name_what_it_does_not_take) {
  expect_refused("\\p{Greek}", "\\p");
  expect_refused("a\\pN", "\\p");
  expect_refused("\\C", "\\C");
  expect_refused("(a)\\1", "backreference");
  expect_refused("(?=a)", "look-ahead");
  expect_refused("(?<!a)", "look-behind");
  expect_refused("(?x)a", "flags");
}

TEST(RegexMatch, refuses_what_is_no_expression) {
  for (const char* pattern :
       {"(",           "a)",      "[a",    "[a-", "[",      "a**",     "a{2}{3}",      "*a",
        "|*",          "(?P<>a)", "(?P<a", "\\",  "\\q",    "[z-a]",   "[a-\\d]",      "[[:nope:]]",
        "\\x{110000}", "\\xz1",   "\\8",   "(?i", "a{3,2}", "a{1001}", "(a{100}){100}"}) {
    expect_refused(pattern, "");
  }
}

TEST(RegexMatch, refuses_what_would_be_too_large) {
  expect_refused(std::string(300, '(') + std::string(300, ')'), "nested");
  expect_refused(std::string(100'000, 'a'), "bytes");
  expect_refused("([a-z]{1000}|[0-9]{1000})([a-z]{1000}|.{1000}){20}", "");
  std::string empties;
  for (int i = 0; i < 5'000; ++i) empties += "(){1000}";
  expect_refused(empties, "written out");
}

}  // namespace
}  // namespace strop

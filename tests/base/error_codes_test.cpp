// SPDX-License-Identifier: Apache-2.0
// docs/errors.md lists the codes that there are, under the names that messages have.
// Tests run in the folder tests.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>

#include "base/error.hpp"

namespace strop {
namespace {

TEST(ErrorCodes, are_all_in_the_documentation_under_their_names) {
  std::map<int, std::string> documented;
  std::ifstream page("../docs/errors.md");
  ASSERT_TRUE(page) << "docs/errors.md is missing";
  const std::regex row(R"(^\| STROP-E(\d+) \| ([^|]+) \| ([^|]+) \|$)");
  for (std::string line; std::getline(page, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    EXPECT_TRUE(documented.emplace(std::stoi(match[1]), match[2]).second) << line;
  }
  std::map<int, std::string> known;
  for (int number = 0; number < 1000; ++number) {
    const auto name = error_code_name(static_cast<ErrorCode>(number));
    if (name != "unknown") known.emplace(number, name);
  }
  EXPECT_GT(known.size(), 40u);
  EXPECT_EQ(documented, known);
}

// error_code_name could lack a code that the header has.
TEST(ErrorCodes, all_have_a_name) {
  std::ifstream header("../src/base/error.hpp");
  const std::regex enumerator(R"(^  ([a-z_]+) = (\d+),.*)");
  int count = 0;
  for (std::string line; std::getline(header, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, enumerator)) continue;
    ++count;
    EXPECT_NE(error_code_name(static_cast<ErrorCode>(std::stoi(match[2]))), "unknown") << line;
  }
  EXPECT_GT(count, 40);
}

}  // namespace
}  // namespace strop

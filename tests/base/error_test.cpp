// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <gtest/gtest.h>

#include <set>

namespace strop {
namespace {

TEST(Error, message_says_what_why_and_what_to_do) {
  const Error error(ErrorCode::bad_shape, "Conv has 3 channels", "expected 4",
                    "look at the weights");
  EXPECT_EQ(error.code(), ErrorCode::bad_shape);
  EXPECT_EQ(
      error.message(),
      "STROP-E306 bad shape: Conv has 3 channels\n  why: expected 4\n  do: look at the weights");
  EXPECT_EQ(Error(ErrorCode::cancelled, "stopped").message(), "STROP-E205 cancelled: stopped");
}

TEST(Error, outermost_context_comes_first) {
  Error error(ErrorCode::internal, "x");
  EXPECT_STREQ(error.what(), "STROP-E100 internal fault: x");
  error.add_context("node Conv_1").add_context("pass fuse_bias");
  EXPECT_STREQ(error.what(), "pass fuse_bias: node Conv_1: STROP-E100 internal fault: x");
}

TEST(Error, several_problems_are_all_told) {
  Diagnostic first;
  first.code = ErrorCode::unknown_operator;
  first.what = "no operator Foo";
  first.op = "Foo";
  first.opset = 17;
  first.node = "/layer/Foo";
  Diagnostic second;
  second.code = ErrorCode::bad_type;
  second.what = "string input";
  const Error both({first, second});
  EXPECT_EQ(both.code(), ErrorCode::several_problems);
  const std::string message = both.message();
  EXPECT_NE(message.find("2 problems"), std::string::npos);
  EXPECT_NE(message.find("operator Foo (domain ai.onnx, opset 17), node /layer/Foo"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("STROP-E307"), std::string::npos);
  EXPECT_EQ(Error({first}).code(), ErrorCode::unknown_operator);
  EXPECT_THROW(Error(std::vector<Diagnostic>{}), Error);
}

TEST(Error, failed_check_is_an_internal_error_without_paths_of_the_build) {
  try {
    STROP_CHECK(1 + 1 == 3, "arithmetic");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_NE(error.message().find("1 + 1 == 3"), std::string::npos);
    EXPECT_EQ(error.message().find("/home"), std::string::npos);
  }
  STROP_CHECK(true, "nothing happens");
}

TEST(Error, every_code_has_its_own_name) {
  std::set<std::string_view> names;
  int count = 0;
  for (int number = 0; number < 1000; ++number) {
    const std::string_view name = error_code_name(static_cast<ErrorCode>(number));
    if (name == "unknown") continue;
    ++count;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_GT(count, 40);
  EXPECT_EQ(error_code_text(ErrorCode::external_data), "STROP-E309");
}

}  // namespace
}  // namespace strop

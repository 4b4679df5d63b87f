// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ir/op_def.hpp"
#include "ops/lazy.hpp"

namespace strop {

class RegexProgram;

struct RegexMatchAttributes {
  std::string pattern;
  Lazy<RegexProgram> program{};

  static void reflect(auto& field) {
    field("pattern", &RegexMatchAttributes::pattern, "regular expression in the syntax of RE2");
  }
};

const OpDef& op_regex_match();

}  // namespace strop

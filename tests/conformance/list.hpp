// SPDX-License-Identifier: Apache-2.0
// not_passed.txt: which cases of the standard need not pass, and why. A line is
//   NAME TARGETS: REASON
// where TARGETS is `all` or some of graph,reference,cpu,cuda; or
//   NAME random: REASON
// for a case whose values come from a random generator, which the standard leaves open: types and
// shapes are compared alone. `#` begins a comment.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace strop::conformance {

struct Listed {
  enum Kind { not_passed, random } kind = not_passed;
  std::vector<std::string> targets;
  std::string reason;
};

class NotPassedList {
 public:
  // Throws Error(bad_argument) naming the line that says nothing, gives no reason or comes twice.
  static NotPassedList read(const std::filesystem::path& file);
  // Null: the case has to pass on that target.
  const Listed* find(const std::string& name, std::string_view target) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Listed> entries_;
};

}  // namespace strop::conformance

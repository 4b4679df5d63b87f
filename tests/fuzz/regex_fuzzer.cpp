// SPDX-License-Identifier: Apache-2.0
// A regular expression on the first line, a text after it: an answer, or an Error about the
// expression.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "base/error.hpp"
#include "ops/regex_program_support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\n'), size);
  try {
    const strop::RegexProgram program(input.substr(0, end));
    program.matches(input.substr(std::min(end + 1, size)), [] {});
  } catch (const strop::Error& error) {
    if (error.code() != strop::ErrorCode::bad_attribute) {
      std::cerr << error.message() << "\n";
      std::abort();
    }
  }
  return 0;
}

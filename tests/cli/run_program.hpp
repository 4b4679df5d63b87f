// SPDX-License-Identifier: Apache-2.0
// Runs a program of the build and keeps what it says.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace strop::testing {

struct ProgramResult {
  int exit_code = -1;  // -1: it ended by a signal
  std::string output;  // stdout and, unless it is asked for apart, stderr
};

// Arguments hold no single quotes.
inline ProgramResult run_program(const std::string& program,
                                 const std::vector<std::string>& arguments,
                                 bool with_errors = true) {
  std::string command = "'" + program + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  command += with_errors ? " 2>&1" : " 2>/dev/null";
  ProgramResult result;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  std::array<char, 4096> part;
  for (std::size_t got; (got = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    result.output.append(part.data(), got);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace strop::testing

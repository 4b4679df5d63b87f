// SPDX-License-Identifier: Apache-2.0
// A library that Strop can do without, opened once: its functions, or why they are not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/os/dynamic_library.hpp"

namespace strop::cuda {

struct OptionalLibrary {
  std::optional<os::DynamicLibrary> library;
  const void* code = nullptr;  // some function of it
  std::uint64_t version = 0;
  std::string problem;  // empty: all is well
};

// Opens the first of `names` that there is (library_search.hpp); `problem` says so when there is
// none. Throws nothing.
OptionalLibrary open_optional(const std::string& title, const std::vector<std::string>& names,
                              const std::vector<std::string>& wheels);

// The file, as far as it is known.
std::string path_of(const OptionalLibrary& library);

// Finds a function, or notes as the problem that the library has none of that name.
template <class Function>
void find_function(OptionalLibrary& from, const char* name, Function*& function) {
  if (!from.problem.empty()) return;
  void* found = from.library->find(name);
  function = reinterpret_cast<Function*>(found);
  if (found == nullptr) from.problem = path_of(from) + " has no " + name;
  if (found != nullptr) from.code = found;
}

// Notes as the problem a major version other than the one that Strop was built for. `version` is
// 10000 * major + 100 * minor + patch.
void check_major(OptionalLibrary& library, const std::string& title, std::uint64_t built_for);

// "cuBLASLt 13.1.0 (path)", or "no cuBLASLt: why".
std::string describe(const OptionalLibrary& library, const std::string& title);

}  // namespace strop::cuda

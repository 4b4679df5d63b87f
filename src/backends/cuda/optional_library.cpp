// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/optional_library.hpp"

#include "backends/cuda/library_search.hpp"

namespace strop::cuda {
namespace {

std::string version_text(std::uint64_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

OptionalLibrary open_optional(const std::string& title, const std::vector<std::string>& names,
                              const std::vector<std::string>& wheels) {
  OptionalLibrary out;
  std::string tried;
  out.library = open_library(names, wheels, tried);
  if (!out.library) out.problem = tried.empty() ? title + " was not found" : tried;
  return out;
}

std::string path_of(const OptionalLibrary& library) {
  std::string out = library.code != nullptr ? os::module_path(library.code) : std::string();
  return out.empty() ? library.library->path() : out;
}

void check_major(OptionalLibrary& library, const std::string& title, std::uint64_t built_for) {
  if (!library.problem.empty() || library.version / 10000 == built_for / 10000) return;
  library.problem = path_of(library) + " is " + title + " " + version_text(library.version) +
                    ", and this Strop was built for " + std::to_string(built_for / 10000) + ".x";
}

std::string describe(const OptionalLibrary& library, const std::string& title) {
  if (!library.problem.empty()) return "no " + title + ": " + library.problem;
  return title + " " + version_text(library.version) + " (" + path_of(library) + ")";
}

}  // namespace strop::cuda

// SPDX-License-Identifier: Apache-2.0
#include "base/os/dynamic_library.hpp"

#include "base/error.hpp"

namespace strop::os {

DynamicLibrary DynamicLibrary::open(const std::string& path) {
  std::string reason;
  auto library = try_open(path, &reason);
  if (!library) throw Error(ErrorCode::missing_library, "cannot load " + path, reason);
  return *std::move(library);
}

void* DynamicLibrary::require(const char* symbol) const {
  void* address = find(symbol);
  if (address == nullptr) {
    throw Error(ErrorCode::library_mismatch, path_ + " lacks the function " + symbol,
                "the library is of another version, or not what its name says");
  }
  return address;
}

std::string module_directory(const void* address) {
  std::string path = module_path(address);
#if defined(_WIN32)
  const auto slash = path.find_last_of("/\\");
#else
  const auto slash = path.rfind('/');
#endif
  if (slash == std::string::npos) return {};
  path.erase(slash == 0 ? 1 : slash);
  return path;
}

}  // namespace strop::os

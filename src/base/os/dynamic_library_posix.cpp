// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/os/dynamic_library.hpp"

namespace strop::os {

std::optional<DynamicLibrary> DynamicLibrary::try_open(const std::string& path,
                                                       std::string* reason) {
  void* handle = path.find('\0') == std::string::npos && !path.empty()
                     ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)
                     : nullptr;
  if (handle == nullptr) {
    const char* text = dlerror();
    if (reason != nullptr) *reason = text != nullptr ? text : "the name is not valid";
    return std::nullopt;
  }
  return DynamicLibrary(handle, path);
}

void* DynamicLibrary::find(const char* symbol) const { return dlsym(handle_, symbol); }

std::string library_file_name(std::string_view name) { return "lib" + std::string(name) + ".so"; }

std::string module_path(const void* address) {
  // The kernel's list has absolute paths; dladdr has what was passed to exec or dlopen, maybe
  // relative to a folder that is no longer the current one.
  std::ifstream maps("/proc/self/maps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    if (!(fields >> std::hex >> begin >> dash >> end) || wanted < begin || wanted >= end) continue;
    const auto slash = line.find('/');
    if (slash != std::string::npos) return line.substr(slash);
    break;
  }
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::unique_ptr<char, void (*)(void*)> real(realpath(info.dli_fname, nullptr), std::free);
  return real ? real.get() : info.dli_fname;
}

void pin_module(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    // Fails harmlessly for the main executable, which stays anyway.
    dlopen(info.dli_fname, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

}  // namespace strop::os

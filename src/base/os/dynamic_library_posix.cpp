// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <link.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "base/os/dynamic_library.hpp"

namespace strop::os {
namespace {

// Whether a file lacks some of what its headers promise, as a copy that did not end does: the
// loader maps it all the same and dies of a bus error. What is no library for this processor at all
// the loader refuses by itself.
bool is_cut_short(const std::string& path) {
  std::error_code failed;
  if (path.find('/') == std::string::npos || !std::filesystem::is_regular_file(path, failed))
    return false;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  std::ifstream file(path, std::ios::binary);
  ElfW(Ehdr) header;
  if (failed || !file.read(reinterpret_cast<char*>(&header), sizeof header)) return false;
  constexpr int native_class = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  constexpr int native_data =
      std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != native_class || header.e_ident[EI_DATA] != native_data ||
      header.e_phentsize != sizeof(ElfW(Phdr)) || header.e_phoff > size)
    return false;
  file.seekg(static_cast<std::streamoff>(header.e_phoff));
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) part;
    if (!file.read(reinterpret_cast<char*>(&part), sizeof part)) return true;
    if (part.p_type == PT_LOAD && (part.p_offset > size || part.p_filesz > size - part.p_offset))
      return true;
  }
  return false;
}

}  // namespace

std::optional<DynamicLibrary> DynamicLibrary::try_open(const std::string& path,
                                                       std::string* reason) {
  if (is_cut_short(path)) {
    if (reason != nullptr) *reason = path + ": the file is cut short";
    return std::nullopt;
  }
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

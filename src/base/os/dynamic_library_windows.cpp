// SPDX-License-Identifier: Apache-2.0
#include "base/os/dynamic_library.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "base/os/wide_text.hpp"

namespace strop::os {

std::optional<DynamicLibrary> DynamicLibrary::try_open(const std::string& path,
                                                       std::string* reason) {
  // A library given by path finds its own dependencies beside it.
  const bool is_path = path.find_first_of("/\\") != std::string::npos;
  std::wstring wide = to_wide(path);
  for (wchar_t& c : wide) c = c == L'/' ? L'\\' : c;
  // The answer to a file that is no library is an error, not a box on the screen.
  DWORD mode = 0;
  SetThreadErrorMode(SEM_FAILCRITICALERRORS, &mode);
  const HMODULE handle =
      LoadLibraryExW(wide.c_str(), nullptr, is_path ? LOAD_WITH_ALTERED_SEARCH_PATH : 0);
  const DWORD error = GetLastError();
  SetThreadErrorMode(mode, nullptr);
  if (handle == nullptr) {
    if (reason != nullptr) *reason = windows_error_text(error);
    return std::nullopt;
  }
  return DynamicLibrary(reinterpret_cast<void*>(handle), path);
}

void* DynamicLibrary::find(const char* symbol) const {
  return reinterpret_cast<void*>(GetProcAddress(reinterpret_cast<HMODULE>(handle_), symbol));
}

std::string library_file_name(std::string_view name) { return "lib" + std::string(name) + ".dll"; }

std::string module_path(const void* address) {
  HMODULE module = nullptr;
  if (GetModuleHandleExW(
          GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
          static_cast<LPCWSTR>(address), &module) == 0) {
    return {};
  }
  std::wstring path(32768, L'\0');
  path.resize(GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size())));
  return to_utf8(path);
}

void pin_module(const void* address) {
  HMODULE module = nullptr;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     static_cast<LPCWSTR>(address), &module);
}

}  // namespace strop::os

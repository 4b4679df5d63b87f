// SPDX-License-Identifier: Apache-2.0
// Shared libraries opened at run time. A missing one is a normal, well-worded answer. Libraries are
// never unloaded: code of theirs may be on a stack or hold threads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace strop::os {

class DynamicLibrary {
 public:
  // A path, or a bare file name that the system looks for. Symbols stay local to the library.
  // Throws Error(missing_library) with the system's reason.
  static DynamicLibrary open(const std::string& path);
  // As open, but nothing on failure; `reason`, if given, receives the system's words.
  static std::optional<DynamicLibrary> try_open(const std::string& path,
                                                std::string* reason = nullptr);

  // Null when the library has no such symbol.
  void* find(const char* symbol) const;
  // Throws Error(library_mismatch) when the library has no such symbol.
  template <class Function>
  Function* function(const char* symbol) const {
    return reinterpret_cast<Function*>(require(symbol));
  }
  const std::string& path() const { return path_; }

 private:
  DynamicLibrary(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* require(const char* symbol) const;

  void* handle_;
  std::string path_;
};

// "strop_cpu" to "libstrop_cpu.so" (".dll" on Windows).
std::string library_file_name(std::string_view name);
// The file, and the folder, of the library or executable that holds this code or data, absolute;
// empty if unknown.
std::string module_path(const void* address);
std::string module_directory(const void* address);
// Keeps the module of this address loaded for the life of the process, so that threads may run its
// code.
void pin_module(const void* address);

}  // namespace strop::os

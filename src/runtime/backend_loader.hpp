// SPDX-License-Identifier: Apache-2.0
// Finds the function table of a backend by name: one that the program registered (statically
// linked), else the library beside this one, opened when first needed and kept for the life of the
// process. Safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/backend_abi.h"

namespace strop {

// "reference", "cpu", ... Throws Error(missing_library) naming the library and where it was looked
// for, and Error(library_mismatch) when its ABI or version is not this Strop's.
const StropBackendTable& find_backend(std::string_view name);

// A table that lives as long as the process; replaces one of the same name for steps created later.
// Throws Error(library_mismatch).
void register_backend(const StropBackendTable* table);

struct BackendStatus {
  std::string name;
  std::string library;      // file name, e.g. "libstrop_cpu.so"
  std::string path;         // where it was found; empty: registered, or missing
  std::string version;      // empty when missing
  std::string description;  // the backend's own words: libraries, CPU features
  std::string problem;      // why it cannot be used; empty when it can
};

// All backends that Strop knows of, found or not; for `doctor`. Throws nothing but
// Error(out_of_memory).
std::vector<BackendStatus> probe_backends();
// One of them. May open libraries that the backend uses.
BackendStatus probe_backend(std::string_view name);

}  // namespace strop

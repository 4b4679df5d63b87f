// SPDX-License-Identifier: Apache-2.0
#include "runtime/backend_loader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <mutex>

#include "base/error.hpp"
#include "base/os/dynamic_library.hpp"
#include "base/version.hpp"

namespace strop {
namespace {

constexpr std::array<std::string_view, 3> kKnownBackends = {"reference", "cpu", "cuda"};

struct Loaded {
  const StropBackendTable* table = nullptr;
  std::string path;
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Loaded, std::less<>> backends;
};

Registry& registry() {
  static Registry* instance = new Registry;  // never destroyed: threads may still run steps at exit
  return *instance;
}

std::string library_of(std::string_view name) {
  return name == "reference" || name == "plugin" ? "strop_ops" : "strop_" + std::string(name);
}

// Names come from engine files and become part of a path.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void check_table(const StropBackendTable* table, const std::string& where) {
  const auto mismatch = [&](std::string why) {
    throw Error(ErrorCode::library_mismatch, where, std::move(why),
                "install all libraries of Strop from one version");
  };
  if (table == nullptr) mismatch("its entry function returned nothing");
  if (table->abi_version != STROP_BACKEND_ABI_VERSION) {
    mismatch("it speaks version " + std::to_string(table->abi_version) +
             " of the backend interface, this is version " +
             std::to_string(STROP_BACKEND_ABI_VERSION));
  }
  if (table->struct_size < sizeof(StropBackendTable)) mismatch("its function table is too short");
  if (table->version == nullptr || std::string_view(table->version) != STROP_VERSION) {
    mismatch("it belongs to Strop " +
             std::string(table->version != nullptr ? table->version : "(unnamed)") +
             ", this is Strop " STROP_VERSION);
  }
  if (table->name == nullptr || table->create == nullptr || table->prepare == nullptr ||
      table->run == nullptr || table->destroy == nullptr || table->free_error == nullptr ||
      table->description == nullptr) {
    mismatch("functions are missing in its table");
  }
}

Loaded load(std::string_view name) {
  const std::string file = os::library_file_name(library_of(name));
  const std::string here = os::module_directory(reinterpret_cast<const void*>(&find_backend));
  std::vector<std::string> candidates;
  if (!here.empty()) {
    candidates.push_back(here + "/" + file);
    candidates.push_back(here + "/../lib/" + file);
  }
  std::string tried;
  for (const std::string& path : candidates) {
    std::string reason;
    const auto library = os::DynamicLibrary::try_open(path, &reason);
    if (library) {
      auto* entry = library->function<const StropBackendTable*()>(
          name == "plugin" ? STROP_PLUGIN_BACKEND_ENTRY : STROP_BACKEND_ENTRY);
      const StropBackendTable* table = entry();
      check_table(table, "library " + path);
      return {table, path};
    }
    tried += (tried.empty() ? "" : "; ") + reason;
  }
  throw Error(ErrorCode::missing_library, "backend " + std::string(name) + " needs " + file,
              tried.empty() ? "the folder of this program is unknown" : tried,
              "put " + file +
                  " beside the program or beside libstrop_runtime, or build the engine "
                  "for another device");
}

}  // namespace

const StropBackendTable& find_backend(std::string_view name) {
  if (!is_plain_name(name)) {
    throw Error(ErrorCode::engine_invalid, "a step names a backend that cannot exist",
                "names are lower-case letters, digits and '_'");
  }
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  auto found = all.backends.find(name);
  if (found == all.backends.end()) {
    found = all.backends.emplace(std::string(name), load(name)).first;
  }
  return *found->second.table;
}

void register_backend(const StropBackendTable* table) {
  check_table(table, "a registered backend");
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  all.backends[table->name] = {table, {}};
}

BackendStatus probe_backend(std::string_view name) {
  BackendStatus status;
  status.name = name;
  status.library = os::library_file_name(library_of(name));
  try {
    const StropBackendTable& table = find_backend(name);
    status.version = table.version;
    status.description = table.description();
    Registry& all = registry();
    const std::scoped_lock lock(all.mutex);
    status.path = all.backends.find(name)->second.path;
  } catch (const Error& error) {
    status.problem = error.diagnostics().front().why;
    if (status.problem.empty()) status.problem = error.diagnostics().front().what;
  }
  return status;
}

std::vector<BackendStatus> probe_backends() {
  std::vector<BackendStatus> out;
  for (const std::string_view name : kKnownBackends) out.push_back(probe_backend(name));
  return out;
}

}  // namespace strop

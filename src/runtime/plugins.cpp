// SPDX-License-Identifier: Apache-2.0
#include "runtime/plugins.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "runtime/backend_loader.hpp"

namespace strop {
namespace {

// Names come from an engine file.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return out;
}

}  // namespace

void load_plugin(const std::string& path) {
  const StropBackendTable& table = find_backend("reference");
  if (table.load_plugin == nullptr) {
    throw Error(ErrorCode::library_mismatch, "plugin " + path,
                "the operator library of this process cannot load plugins");
  }
  StropAbiError error{};
  const std::int32_t code = table.load_plugin(path.c_str(), &error);
  if (code == 0) return;
  const auto text = [](const char* s) { return std::string(s != nullptr ? s : ""); };
  Error out(static_cast<ErrorCode>(code), text(error.what), text(error.why), text(error.hint));
  table.free_error(&error);
  throw out;
}

std::vector<LoadedPlugin> loaded_plugins() {
  const StropBackendTable* table = nullptr;
  try {
    table = &find_backend("reference");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::missing_library) throw;
    return {};
  }
  std::vector<LoadedPlugin> out;
  if (table->plugin_count == nullptr || table->plugin_at == nullptr) return out;
  const std::uint32_t count = table->plugin_count();
  for (std::uint32_t i = 0; i < count; ++i) {
    StropAbiPlugin plugin{};
    if (table->plugin_at(i, &plugin) != 0) continue;
    LoadedPlugin& loaded = out.emplace_back();
    loaded.name = plugin.name;
    loaded.path = plugin.path;
    loaded.version_major = plugin.version_major;
    loaded.version_minor = plugin.version_minor;
    loaded.description = plugin.description;
    std::string_view names(plugin.operators);
    while (!names.empty()) {
      const std::size_t end = std::min(names.find('\n'), names.size());
      loaded.operators.emplace_back(names.substr(0, end));
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
  return out;
}

void require_plugins(const EngineHeader& header) {
  if (header.plugins.empty()) return;
  const std::vector<LoadedPlugin> loaded = loaded_plugins();
  for (const EnginePlugin& wanted : header.plugins) {
    const std::string what =
        "the engine needs plugin " + printable(wanted.name) + " " + wanted.version();
    const auto found = std::ranges::find(loaded, wanted.name, &LoadedPlugin::name);
    if (found == loaded.end()) {
      throw Error(ErrorCode::missing_plugin, what,
                  "operator " + printable(wanted.operators.front()) +
                      " of the engine comes from it, and it was not loaded",
                  "load it first: --plugin FILE, or strop_load_plugin");
    }
    if (found->version_major != wanted.version_major ||
        found->version_minor < wanted.version_minor) {
      throw Error(ErrorCode::plugin_mismatch, what,
                  "version " + std::to_string(found->version_major) + "." +
                      std::to_string(found->version_minor) + " is loaded, from " + found->path,
                  "load the plugin that the engine was built with, or build the engine again");
    }
    for (const std::string& op : wanted.operators) {
      if (std::ranges::find(found->operators, op) != found->operators.end()) continue;
      throw Error(ErrorCode::missing_plugin, what,
                  "the one loaded from " + found->path + " has no operator " + printable(op),
                  "load the plugin that the engine was built with");
    }
  }
}

}  // namespace strop

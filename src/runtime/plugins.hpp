// SPDX-License-Identifier: Apache-2.0
// Plugins seen from the runtime: it loads them through libstrop_ops, which holds the list of the
// process, and refuses engines whose plugins are not there. Safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/engine_file.hpp"

namespace strop {

struct LoadedPlugin {
  std::string name;
  std::string path;
  std::uint32_t version_major = 0;
  std::uint32_t version_minor = 0;
  std::vector<std::string> operators;  // "domain::name:version"
  const void* description = nullptr;   // strop_plugin of strop/plugin.h
};

// Opens the file as a plugin: code of it runs, with the rights of the process. It stays loaded for
// the life of the process; loading it again does nothing. Throws Error(file_not_found,
// not_a_plugin, plugin_mismatch, bad_plugin), and what find_backend throws.
void load_plugin(const std::string& path);

// All that anybody in the process has loaded, in that order; none where libstrop_ops is missing.
std::vector<LoadedPlugin> loaded_plugins();

// Throws Error(missing_plugin) naming plugin and operator, or Error(plugin_mismatch) naming both
// versions, unless every plugin that the engine needs is loaded.
void require_plugins(const EngineHeader& header);

}  // namespace strop

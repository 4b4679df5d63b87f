// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_registry.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/error.hpp"
#include "base/os/dynamic_library.hpp"
#include "ops/op_list.hpp"

namespace strop {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<std::unique_ptr<const PluginLibrary>> plugins;
  std::map<std::string, const PluginOperator*, std::less<>> operators;  // by IR name
};

Registry& registry() {
  static Registry* instance = new Registry;  // never destroyed: threads may still run steps at exit
  return *instance;
}

std::filesystem::path path_of(const std::string& utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

std::string utf8_of(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace

const PluginLibrary& open_plugin(const std::string& path) {
  const std::string what = "plugin " + path;
  // Absolute, so that the system does not look for it anywhere else.
  std::error_code status;
  const std::filesystem::path file = std::filesystem::absolute(path_of(path), status);
  const auto kind =
      status ? std::filesystem::file_type::not_found : std::filesystem::status(file, status).type();
  if (path.empty() || kind == std::filesystem::file_type::not_found ||
      kind == std::filesystem::file_type::none)
    throw Error(ErrorCode::file_not_found, what, "there is no such file");
  if (kind != std::filesystem::file_type::regular)
    throw Error(ErrorCode::not_a_plugin, what, "it is no regular file");
  std::string reason;
  const auto library = os::DynamicLibrary::try_open(utf8_of(file), &reason);
  if (!library) {
    throw Error(ErrorCode::not_a_plugin, what, "it cannot be opened as a library: " + reason,
                "a plugin is a shared library for this system and processor; what it is linked "
                "with must be found too");
  }
  if (library->find(STROP_PLUGIN_ENTRY) == nullptr) {
    throw Error(ErrorCode::not_a_plugin, what,
                "it is a library, but has no function " STROP_PLUGIN_ENTRY,
                "strop/plugin.h says what a plugin exports");
  }
  auto* entry = library->function<const strop_plugin*(std::uint32_t)>(STROP_PLUGIN_ENTRY);
  const strop_plugin* description = nullptr;
  try {
    description = entry(STROP_PLUGIN_API_VERSION);
  } catch (...) {
    throw Error(ErrorCode::bad_plugin, what, "an exception left its " STROP_PLUGIN_ENTRY,
                "plugin.h says what a plugin must give: tell its maker");
  }
  return add_plugin(description, path);
}

const PluginLibrary& add_plugin(const strop_plugin* description, const std::string& path) {
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  for (const auto& plugin : all.plugins) {
    if (plugin->description == description && description != nullptr) return *plugin;
  }
  std::unique_ptr<const PluginLibrary> plugin = read_plugin(description, path);
  const std::string what = "plugin " + plugin->name + " (" + path + ")";
  for (const auto& other : all.plugins) {
    if (other->name == plugin->name) {
      throw Error(ErrorCode::bad_plugin, what,
                  "a plugin of that name is loaded already, from " + other->path,
                  "load one of them");
    }
  }
  for (const auto& op : plugin->operators) {
    const auto taken = all.operators.find(op->ir_name);
    if (taken != all.operators.end()) {
      throw Error(ErrorCode::bad_plugin, what,
                  "it registers operator " + op->ir_name + ", which plugin " +
                      taken->second->library->name + " has registered",
                  "load one of them");
    }
  }
  for (const auto& op : plugin->operators) all.operators.emplace(op->ir_name, op.get());
  all.plugins.push_back(std::move(plugin));
  return *all.plugins.back();
}

std::vector<const PluginLibrary*> all_plugins() {
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  std::vector<const PluginLibrary*> out;
  for (const auto& plugin : all.plugins) out.push_back(plugin.get());
  return out;
}

std::vector<const PluginOperator*> find_plugin_operators(std::string_view domain,
                                                         std::string_view op_type) {
  std::vector<const PluginOperator*> out;
  for (const PluginLibrary* plugin : all_plugins()) {
    for (const auto& op : plugin->operators) {
      if (op->domain == domain && op->op_type == op_type) out.push_back(op.get());
    }
  }
  std::ranges::sort(out, {}, &PluginOperator::since_version);
  return out;
}

std::vector<std::string> plugin_operators_of(std::string_view domain) {
  std::vector<std::string> out;
  for (const PluginLibrary* plugin : all_plugins()) {
    for (const auto& op : plugin->operators) {
      if (op->domain == domain) out.push_back(op->ir_name);
    }
  }
  return out;
}

const OpDef* find_operator(std::string_view ir_name) {
  if (!is_plugin_operator_name(ir_name)) return find_op(ir_name);
  Registry& all = registry();
  const std::scoped_lock lock(all.mutex);
  const auto found = all.operators.find(ir_name);
  return found != all.operators.end() ? found->second : nullptr;
}

bool is_plugin_operator_name(std::string_view ir_name) {
  return ir_name.find("::") != std::string_view::npos;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// The C boundary of the backend "plugin": fast kernels of plugins, named
// "domain::operator:version/kernel"; and of the list of plugins, which is the process's.
#include "backends/plugin/plugin_backend.hpp"

#include <map>
#include <mutex>
#include <string>

#include "backends/plugin/plugin_step.hpp"
#include "base/parallel.hpp"
#include "base/version.hpp"
#include "plan/abi_error.hpp"
#include "plugin/plugin_registry.hpp"

namespace strop {
namespace {

struct Instance {
  PluginStep step;
  std::size_t inputs;
  std::size_t outputs;
};

std::int32_t create(const StropAbiStep* step, void** instance, StropAbiError* error) {
  *instance = nullptr;
  return guarded(error, [&] {
    const std::string_view parameters =
        step->parameters_size == 0
            ? std::string_view()
            : std::string_view(step->parameters, static_cast<std::size_t>(step->parameters_size));
    *instance = new Instance{{step->kernel, parameters}, step->input_count, step->output_count};
  });
}

std::int32_t prepare(void* handle, const StropAbiValue* inputs, const StropAbiValue* outputs,
                     std::int32_t, std::uint64_t* workspace_bytes, StropAbiError* error) {
  *workspace_bytes = 0;
  return guarded(error, [&] {
    auto& instance = *static_cast<Instance*>(handle);
    *workspace_bytes =
        instance.step.prepare({inputs, instance.inputs}, {outputs, instance.outputs});
  });
}

std::int32_t run(void* handle, const StropAbiValue* inputs, StropAbiValue* outputs,
                 const StropAbiRun* run, StropAbiError* error) {
  return guarded(error, [&] {
    if (run->thread_count >= 1 && run->thread_count != thread_count())
      set_thread_count(run->thread_count);
    auto& instance = *static_cast<Instance*>(handle);
    instance.step.run({inputs, instance.inputs}, {outputs, instance.outputs}, *run);
  });
}

void destroy(void* handle) { delete static_cast<Instance*>(handle); }

// Names of a plugin's operators, one a line; lives as long as the process.
const char* operators_text(const PluginLibrary& plugin) {
  static std::mutex mutex;
  static auto* texts = new std::map<const PluginLibrary*, std::string>;
  const std::scoped_lock lock(mutex);
  std::string& text = (*texts)[&plugin];
  if (text.empty()) {
    for (const auto& op : plugin.operators) text += op->ir_name + "\n";
  }
  return text.c_str();
}

}  // namespace

const StropBackendTable* plugin_backend() {
  static const StropBackendTable table = [] {
    StropBackendTable t{};
    t.abi_version = STROP_BACKEND_ABI_VERSION;
    t.struct_size = sizeof(StropBackendTable);
    t.name = "plugin";
    t.version = STROP_VERSION;
    t.description = [] { return "kernels of plugins"; };
    t.create = create;
    t.prepare = prepare;
    t.run = run;
    t.destroy = destroy;
    t.free_error = free_abi_error;
    return t;
  }();
  return &table;
}

std::int32_t load_plugin_for_abi(const char* path, StropAbiError* error) {
  return guarded(error, [&] { open_plugin(path); });
}

std::uint32_t plugin_count_for_abi() { return static_cast<std::uint32_t>(all_plugins().size()); }

std::int32_t plugin_at_for_abi(std::uint32_t index, StropAbiPlugin* plugin) {
  *plugin = StropAbiPlugin{};
  return guarded(nullptr, [&] {
    const auto plugins = all_plugins();
    if (index >= plugins.size())
      throw Error(ErrorCode::bad_argument, "plugin " + std::to_string(index));
    const PluginLibrary& found = *plugins[index];
    plugin->name = found.name.c_str();
    plugin->path = found.path.c_str();
    plugin->version_major = found.version_major;
    plugin->version_minor = found.version_minor;
    plugin->description = found.description;
    plugin->operators = operators_text(found);
  });
}

}  // namespace strop

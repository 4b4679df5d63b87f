// SPDX-License-Identifier: Apache-2.0
#include "builder/plugin_use.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "plugin/plugin_registry.hpp"
#include "runtime/plugins.hpp"

namespace strop {
namespace {

using Uses = std::map<const PluginLibrary*, std::set<std::string>>;

void collect(const Graph& graph, Uses& uses) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (const PluginOperator* op = plugin_operator(*node.op)) uses[op->library].insert(op->ir_name);
    for (const auto& nested : node.subgraphs) collect(*nested, uses);
  }
}

void collect(const Plan& plan, std::set<std::string>& sets) {
  for (const Step& step : plan.steps) {
    for (const auto& nested : step.nested) collect(*nested, sets);
    const std::size_t slash = step.kernel.find('/');
    if (step.backend != "plugin" || slash == std::string::npos) continue;
    const OpDef* op = find_operator(step.kernel.substr(0, slash));
    const PluginKernel* kernel =
        op != nullptr ? plugin_operator(*op)->find_kernel(step.kernel.substr(slash + 1)) : nullptr;
    if (kernel != nullptr)
      sets.insert(kernel->instruction_sets.begin(), kernel->instruction_sets.end());
  }
}

}  // namespace

void use_plugins(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) load_plugin(path);
  for (const LoadedPlugin& plugin : loaded_plugins())
    add_plugin(static_cast<const strop_plugin*>(plugin.description), plugin.path);
}

std::vector<EnginePlugin> plugins_of(const Graph& graph) {
  Uses uses;
  collect(graph, uses);
  std::vector<EnginePlugin> out;
  for (const auto& [plugin, operators] : uses) {
    out.push_back({plugin->name,
                   plugin->version_major,
                   plugin->version_minor,
                   {operators.begin(), operators.end()}});
  }
  // Not by address: equal builds give equal bytes.
  std::ranges::sort(out, {}, &EnginePlugin::name);
  return out;
}

std::vector<std::string> plugin_instruction_sets(const Plan& plan) {
  std::set<std::string> sets;
  collect(plan, sets);
  return {sets.begin(), sets.end()};
}

}  // namespace strop

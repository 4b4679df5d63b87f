// SPDX-License-Identifier: Apache-2.0
// Plugins in a build: loaded before the model is read, known to this library's copy of the
// operators, and stated in the engine's header.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.hpp"
#include "plan/engine_file.hpp"
#include "plugin/plugin.hpp"

namespace strop {

// Loads these files, and takes over all plugins of the process. Throws what load_plugin throws.
void use_plugins(const std::vector<std::string>& paths);

// Name, version and operators of what the graph and its nested graphs use.
std::vector<EnginePlugin> plugins_of(const Graph& graph);
// What kernels of plugins in the plan need of the processor, in order and each once.
std::vector<std::string> plugin_instruction_sets(const Plan& plan);

}  // namespace strop

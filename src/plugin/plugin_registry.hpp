// SPDX-License-Identifier: Apache-2.0
// The plugins that this copy of the operator library knows. libstrop_ops has the process's list;
// the builder, which holds a copy of its own, takes it over before it builds. Nothing is ever
// removed. Safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugin/plugin.hpp"

namespace strop {

// Opens the library and adds its plugin. Code of the file runs. Throws Error(file_not_found,
// not_a_plugin), and what add_plugin throws.
const PluginLibrary& open_plugin(const std::string& path);

// Adds a plugin that is in the process already; does nothing if this description was added before.
// Throws Error(plugin_mismatch, bad_plugin).
const PluginLibrary& add_plugin(const strop_plugin* description, const std::string& path);

// In the order in which they were added.
std::vector<const PluginLibrary*> all_plugins();

// The operators of that name in all versions, oldest first.
std::vector<const PluginOperator*> find_plugin_operators(std::string_view domain,
                                                         std::string_view op_type);
// "domain::name:version" of every operator in that domain.
std::vector<std::string> plugin_operators_of(std::string_view domain);

// An operator of the IR by its name: one of Strop's, or of a plugin. Null when there is none.
const OpDef* find_operator(std::string_view ir_name);
// Whether a name is that of a plugin's operator, present or not.
bool is_plugin_operator_name(std::string_view ir_name);

}  // namespace strop

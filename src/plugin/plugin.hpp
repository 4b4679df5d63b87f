// SPDX-License-Identifier: Apache-2.0
// A plugin as Strop holds it once its description was checked: operators that look like Strop's
// own. Each is an OpDef whose `infer` and `reference` ask the plugin, so passes, constant folding,
// the text form, the self-check and the reference backend need to know nothing of plugins. Lives as
// long as the process, as the plugin's code does.
#pragma once

#include <strop/plugin.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op_def.hpp"
#include "plugin/plugin_attributes.hpp"

namespace strop {

struct PluginLibrary;

struct PluginKernel {
  std::string name;
  std::vector<std::string> instruction_sets;  // that the processor must have
  strop_plugin_kernel functions{};
  // The first instruction set that this processor lacks; empty when it has all.
  std::string missing_instruction_set() const;
};

// Its name in the IR is "domain::name:since_version".
struct PluginOperator final : OpDef {
  const PluginLibrary* library = nullptr;
  std::string domain;
  std::string op_type;
  int since_version = 1;
  std::string ir_name;
  std::string doc;
  std::vector<PluginAttribute> attribute_list;
  AttributeSchema schema;
  std::vector<PluginKernel> kernels;
  std::vector<std::uint32_t> input_ranks;  // of each operand; 0: any
  std::vector<std::uint32_t> output_ranks;
  strop_plugin_operator functions{};                   // as this version knows it
  const strop_plugin_operator* description = nullptr;  // as the plugin wrote it

  const PluginKernel* find_kernel(std::string_view kernel) const;
  // That the operand of input or output i states; 0: none. `ranks` is one of the lists above.
  static std::uint32_t rank_of(const std::vector<std::uint32_t>& ranks, std::size_t i) {
    return ranks.empty() ? 0 : ranks[i < ranks.size() ? i : ranks.size() - 1];
  }
};

struct PluginLibrary {
  std::string name;
  std::uint32_t version_major = 0;
  std::uint32_t version_minor = 0;
  std::string doc;
  std::string path;  // of the file, as it was given
  const strop_plugin* description = nullptr;
  std::vector<std::unique_ptr<const PluginOperator>> operators;

  std::string version() const {
    return std::to_string(version_major) + "." + std::to_string(version_minor);
  }
};

// The operator of a plugin behind an operator of the IR; null for one of Strop's own.
const PluginOperator* plugin_operator(const OpDef& op);

// Checks what a plugin says of itself, apart from other plugins. Throws Error(plugin_mismatch,
// bad_plugin), which name the plugin by `path`.
std::unique_ptr<const PluginLibrary> read_plugin(const strop_plugin* description, std::string path);

}  // namespace strop

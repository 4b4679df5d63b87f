// SPDX-License-Identifier: Apache-2.0
#include "onnx/cut_advice.hpp"

#include <algorithm>

#include "plugin/plugin_registry.hpp"

namespace strop::onnx {
namespace {

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
}

// A word of a shell command.
std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain = "_./:+-,@%=";
  const bool plain = !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kPlain.find(c) != std::string_view::npos;
  });
  if (plain) return std::string(text);
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string cut_advice(const std::string& model, const ImportOptions& options,
                       const std::vector<std::string_view>& names) {
  // Beyond that a shell may not take the line.
  constexpr std::size_t kLongest = 64000;
  std::string list;
  std::size_t left_out = 0;
  for (const std::string_view name : names) {
    const bool fits = !name.empty() && is_printable(name) &&
                      name.find(',') == std::string_view::npos &&
                      list.size() + name.size() < kLongest;
    if (!fits) {
      ++left_out;
    } else {
      list += (list.empty() ? "" : ",") + std::string(name);
    }
  }
  if (list.empty()) {
    return left_out == 0 ? "nothing is computed before it, so no part of the model is left to build"
                         : "cut the model off before it: its tensors there have names that no "
                           "command line takes";
  }
  // One word with the option, as a name may begin with a dash.
  std::string command = "strop build " + shell_word(model) + " " + shell_word("--outputs=" + list);
  if (!options.external_data_root.empty())
    command += " --external-data-root " + shell_word(options.external_data_root);
  for (const PluginLibrary* plugin : all_plugins()) {
    if (!plugin->path.empty()) command += " --plugin " + shell_word(plugin->path);
  }
  command += " -o model.strop";
  if (left_out > 0) {
    command += " (and " + std::to_string(left_out) + " tensors whose names no command line takes)";
  }
  return "or build what comes before it: " + command;
}

}  // namespace strop::onnx

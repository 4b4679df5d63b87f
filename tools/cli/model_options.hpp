// SPDX-License-Identifier: Apache-2.0
// Options of a build, shared by the subcommands that take an ONNX file; and the engine behind a
// MODEL argument, which is an engine file, or an ONNX file that is built on the fly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "builder/pipeline.hpp"
#include "runtime/context_options.hpp"
#include "runtime/engine.hpp"

namespace CLI {
class App;
}

namespace strop::cli {

// --plugin FILE, which may be repeated. `plugins` must outlive the parse.
void add_plugin_option(CLI::App& command, std::vector<std::string>& plugins);

struct ModelOptions {
  std::string device = "auto", precision = "fp32", budget, timing_cache, external_data_root,
              stop_after, dump, tactics;
  std::vector<std::string> shapes, outputs, plugins;
  bool precise = false, portable = false, no_tuning = false, no_verify = false, verify = false,
       no_overflow_guard = false;
  int threads = 0;

  // Adds the options to a subcommand; `this` must outlive the parse.
  void add_to(CLI::App& command);
  // Throws Error(bad_option).
  BuildConfig config() const;
};

// What the subcommands that run an engine take beside those.
struct RunOptions {
  std::uint64_t memory = 0;  // bytes; 0: no limit

  void add_to(CLI::App& command);
  ContextOptions context(const ModelOptions& options) const;
};

// True for a file that begins like an engine. Throws Error(file_not_found, file_unreadable).
bool is_engine_file(const std::string& path);
// Throws what loading and building throw. `verify_by_default`: whether an ONNX file is checked
// against the reference.
std::shared_ptr<const Engine> open_engine(const std::string& model, const ModelOptions& options,
                                          bool verify_by_default);

}  // namespace strop::cli

// SPDX-License-Identifier: Apache-2.0
#include "cli/model_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>

#include "base/os/fault_report.hpp"
#include "builder/build_options.hpp"
#include "builder/targets.hpp"
#include "runtime/plugins.hpp"

namespace strop::cli {
namespace {

// "60s", "500ms", "2m" or plain seconds.
double read_seconds(const std::string& text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double factor = unit.empty() || unit == "s" ? 1
                        : unit == "ms"              ? 1e-3
                        : unit == "m"               ? 60
                                                    : -1;
  if (status != std::errc() || factor < 0 || !(value >= 0)) {
    throw Error(ErrorCode::bad_option, "--budget " + text, "it is no time",
                "write 60s, 500ms or 2m");
  }
  return value * factor;
}

}  // namespace

void add_plugin_option(CLI::App& command, std::vector<std::string>& plugins) {
  command
      .add_option("--plugin", plugins,
                  "shared library with operators of the model's own; runs code of it; repeatable")
      ->expected(1)
      ->take_all();
}

void ModelOptions::add_to(CLI::App& command) {
  const std::string group = "Building";
  command
      .add_option("--device", device,
                  "auto, cpu, reference, cuda, cuda:N (a GPU of this machine) or "
                  "cuda:sm_90 (a chip that need not be here)")
      ->capture_default_str()
      ->group(group);
  command
      .add_option(
          "--precision", precision,
          "fp32; bf16: operands of products with constant weights are rounded to bf16, on a "
          "GPU all values; fp16: likewise, on a GPU alone")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--no-overflow-guard", no_overflow_guard,
                "fp16: do not run the model first to see what does not fit")
      ->group(group);
  command
      .add_flag("--precise", precise,
                "as the model is written: no sum in another order, quantised layers in floats")
      ->group(group);
  command
      .add_option("--tactics", tactics,
                  "leave out libraries or tactics: --tactics=-onednn,-pool_onednn")
      ->group(group);
  command.add_option("--shapes", shapes, "sizes to tune for: NAME=1x3x224x224 or NAME=MIN:OPT:MAX")
      ->group(group);
  command.add_option("--outputs", outputs, "end the model at these values")
      ->delimiter(',')
      ->group(group);
  command.add_option("--budget", budget, "time for tuning, such as 60s")->group(group);
  command.add_option("--timing-cache", timing_cache, "file that keeps timings; read and updated")
      ->group(group);
  command.add_flag("--no-tuning", no_tuning, "time nothing, take the first candidate")
      ->group(group);
  command.add_flag("--verify", verify, "check against the reference, whatever it costs")
      ->group(group);
  command.add_flag("--no-verify", no_verify, "do not check against the reference")->group(group);
  command
      .add_flag("--portable", portable,
                "keep graph and weights, so that the engine can be planned anew")
      ->group(group);
  command
      .add_option("--external-data-root", external_data_root,
                  "folder that links of external weights may lead into")
      ->group(group);
  command
      .add_option("--stop-after", stop_after, "print the value after import, passes, lower or tune")
      ->group(group);
  add_plugin_option(command, plugins);
  command.add_option("--dump", dump, "folder for the graph after every pass")->group(group);
  command.add_option("--threads", threads, "threads on the CPU; 0: all processors")
      ->capture_default_str();
}

BuildConfig ModelOptions::config() const {
  BuildConfig config;
  config.device = device;
  config.precision = precision;
  config.precise = precise;
  config.overflow_guard = !no_overflow_guard;
  config.threads = threads;
  if (!budget.empty()) config.budget_seconds = read_seconds(budget);
  config.tuning = !no_tuning;
  config.timing_cache = timing_cache;
  config.tactics = split_list(tactics, ',');
  for (const std::string& shape : shapes) add_wanted_shape(shape, config.shapes);
  config.outputs = outputs;
  if (verify && no_verify)
    throw Error(ErrorCode::bad_option, "--verify with --no-verify", "only one of them makes sense");
  config.verify = verify ? Verify::always : no_verify ? Verify::never : Verify::automatic;
  config.portable = portable;
  config.external_data_root = external_data_root;
  config.plugins = plugins;
  config.stop_after = stop_after;
  config.dump_directory = dump;
  config.progress = [](const BuildProgress& progress) {
    os::note_activity("build, stage " + progress.stage, progress.detail);
    return true;
  };
  return config;
}

void RunOptions::add_to(CLI::App& command) {
  command
      .add_option("--memory", memory,
                  "most that a run may plan and work in, such as 2GiB: on the host, and on the GPU")
      ->transform(CLI::AsSizeValue(false));
}

ContextOptions RunOptions::context(const ModelOptions& options) const {
  ContextOptions out;
  out.threads = options.threads;
  out.device = device_ordinal(options.device);
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  out.memory_bytes = out.device_memory_bytes = static_cast<std::int64_t>(std::min(memory, most));
  return out;
}

bool is_engine_file(const std::string& path) {
  std::error_code status;
  if (!std::filesystem::exists(path, status)) {
    throw Error(ErrorCode::file_not_found, "file " + path,
                status ? status.message() : "there is no such file");
  }
  std::ifstream file(path, std::ios::binary);
  char start[5] = {};
  file.read(start, sizeof start);
  return std::string_view(start, 5) == "strop";
}

std::shared_ptr<const Engine> open_engine(const std::string& model, const ModelOptions& options,
                                          bool verify_by_default) {
  if (is_engine_file(model)) {
    for (const std::string& plugin : options.plugins) load_plugin(plugin);
    return Engine::load(model);
  }
  BuildConfig config = options.config();
  if (!options.verify && !verify_by_default) config.verify = Verify::never;
  if (!config.stop_after.empty()) {
    throw Error(ErrorCode::bad_option, "--stop-after " + config.stop_after,
                "this command needs an engine", "use strop build");
  }
  auto engine = std::make_shared<const Engine>(build_model(model, config).engine);
  os::note_activity("run the engine");
  return engine;
}

}  // namespace strop::cli

// SPDX-License-Identifier: Apache-2.0
// strop build: an ONNX model into an engine file.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "base/os/atomic_file.hpp"
#include "base/os/terminal.hpp"
#include "cli/commands.hpp"
#include "cli/model_options.hpp"

namespace strop::cli {
namespace {

struct BuildCommand {
  std::string model, output, report;
  bool json = false;
  ModelOptions options;
};

// One line on a terminal, nothing elsewhere.
// After `before`, which it calls.
std::function<bool(const BuildProgress&)> progress_bar(
    std::function<bool(const BuildProgress&)> before) {
  if (!os::is_terminal(os::Stream::err)) return before;
  return [before = std::move(before)](const BuildProgress& progress) {
    constexpr int kWidth = 30;
    const int full = static_cast<int>(progress.fraction * kWidth);
    std::fprintf(stderr, "\r\x1b[K[%.*s%*s] %3.0f %% %s %.60s", full,
                 "##############################", kWidth - full, "", progress.fraction * 100,
                 progress.stage.c_str(), progress.detail.c_str());
    return before(progress);
  };
}

void print_summary(const BuildReport& report, const std::string& output) {
  std::printf("%s -> %s\n", report.model.c_str(), output.c_str());
  std::printf("  %-12s %zu nodes imported, %zu after passes\n", "graph", report.imported_nodes,
              report.passes.empty() ? report.imported_nodes : report.passes.back().nodes_after);
  std::map<std::string, int> places;
  for (const NodeReport& node : report.lowering.nodes) ++places[node.backend + " " + node.tactic];
  for (const auto& [place, count] : places)
    std::printf("  %-12s %4d x %s\n", "runs on", count, place.c_str());
  for (const EnginePlugin& plugin : report.plugins) {
    for (const std::string& op : plugin.operators)
      std::printf("  %-12s %s %s for %s\n", "plugin", plugin.name.c_str(), plugin.version().c_str(),
                  op.c_str());
  }
  std::printf("  %-12s %.1f MB\n", "weights", static_cast<double>(report.weight_bytes) / 1e6);
  for (const StageTime& stage : report.stages) {
    std::printf("  %-12s %8.3f s\n", stage.stage.c_str(), stage.seconds);
    for (const StagePart& part : stage.parts)
      std::printf("    %-24s %8.3f s, %zu\n", part.part.c_str(), part.seconds, part.count);
  }
  if (report.timed_problems + report.cached_problems > 0) {
    std::printf("  %-12s %zu problems timed, %zu from the cache\n", "tuning", report.timed_problems,
                report.cached_problems);
  }
  for (const OutputCheck& output_check : report.self_check.outputs) {
    std::printf("  %-12s output %s: relative error %.2e (tolerance %.0e)\n", "self-check",
                output_check.name.c_str(), output_check.largest_relative, output_check.tolerance);
  }
  for (const std::string& note : report.notes) std::printf("  %-12s %s\n", "note", note.c_str());
  for (const std::string& note : report.lowering.notes)
    std::printf("  %-12s %s\n", "note", note.c_str());
}

void run_build(const BuildCommand& command) {
  BuildConfig config = command.options.config();
  if (command.output.empty() && config.stop_after.empty()) {
    throw Error(ErrorCode::bad_option, "strop build without -o", "there is no name for the engine",
                "give -o FILE, or --stop-after to print a stage");
  }
  config.progress = progress_bar(std::move(config.progress));
  const BuildResult result = build_model(command.model, config);
  if (os::is_terminal(os::Stream::err)) std::fprintf(stderr, "\r\x1b[K");
  if (!command.report.empty()) os::write_file(command.report, result.report.to_json());
  if (!config.stop_after.empty()) {
    std::fputs(result.stopped.c_str(), stdout);
    return;
  }
  save_engine(result.engine, command.output);
  if (command.json) {
    std::fputs(result.report.to_json().c_str(), stdout);
  } else {
    print_summary(result.report, command.output);
  }
}

}  // namespace

void add_build_command(CLI::App& app) {
  const auto command = std::make_shared<BuildCommand>();
  CLI::App* build = app.add_subcommand("build", "Compile an ONNX model into an engine");
  build->add_option("model", command->model, "ONNX file")->required();
  build->add_option("-o,--engine", command->output, "engine file to write");
  build->add_option("--report", command->report, "write the report as JSON to this file");
  build->add_flag("--json", command->json, "print the report as JSON");
  command->options.add_to(*build);
  build->callback([command] { run_build(*command); });
}

}  // namespace strop::cli

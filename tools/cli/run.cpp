// SPDX-License-Identifier: Apache-2.0
// strop run: one run of a model on inputs from files.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "base/os/atomic_file.hpp"
#include "base/os/clock.hpp"
#include "base/os/mapped_file.hpp"
#include "cli/commands.hpp"
#include "cli/input_files.hpp"
#include "cli/model_options.hpp"
#include "cli/npy.hpp"
#include "runtime/context.hpp"

namespace strop::cli {
namespace {

struct RunCommand {
  std::string model, output, labels;
  std::vector<std::string> inputs;
  int top = 5;
  ModelOptions options;
};

std::string file_name_of(std::string name) {
  std::ranges::replace(name, '/', '_');
  std::ranges::replace(name, '\\', '_');
  return name + ".npy";
}

std::vector<std::string> read_labels(const std::string& path) {
  const os::FileView file = os::read_file(path, os::FileAccess::copy, std::int64_t{64} << 20);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The largest values along the last axis, for each row before it.
void print_top(const std::string& name, const Tensor& scores,
               const std::vector<std::string>& labels, int top) {
  if (scores.dtype() != DType::f32 || scores.rank() == 0) return;
  const std::int64_t classes = scores.shape().back();
  if (classes == 0) return;
  const float* data = scores.values<float>().data();
  for (std::int64_t row = 0; row < scores.size() / classes; ++row, data += classes) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    const auto count = std::min<std::int64_t>(std::max(top, 1), classes);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [data](std::int64_t a, std::int64_t b) {
                        return data[a] > data[b] || (data[a] == data[b] && a < b);
                      });
    std::printf("%s[%lld]\n", name.c_str(), static_cast<long long>(row));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
      std::printf("  %12.6g  %6zu  %s\n", static_cast<double>(data[index]), index,
                  index < labels.size() ? labels[index].c_str() : "");
    }
  }
}

void run_model(const RunCommand& command) {
  const auto engine = open_engine(command.model, command.options, false);
  ContextOptions context_options;
  context_options.threads = command.options.threads;
  Context context(engine, context_options);
  for (const NamedInput& input : read_inputs(command.inputs, *engine))
    context.bind(input.name, input.tensor);
  const std::int64_t before = os::monotonic_ns();
  context.run();
  const double milliseconds = static_cast<double>(os::monotonic_ns() - before) / 1e6;

  const std::vector<std::string> labels =
      command.labels.empty() ? std::vector<std::string>{} : read_labels(command.labels);
  if (!command.output.empty()) std::filesystem::create_directories(command.output);
  for (const EnginePort& port : engine->outputs()) {
    if (!is_plain(port)) {
      std::printf("%s: %s\n", port.name.c_str(), port.type.c_str());
      continue;
    }
    const Tensor tensor = context.output_tensor(port.name);
    std::printf("%s: %s\n", port.name.c_str(), describe(tensor).c_str());
    if (!labels.empty()) print_top(port.name, tensor, labels, command.top);
    if (!command.output.empty()) {
      os::write_file((std::filesystem::path(command.output) / file_name_of(port.name)).string(),
                     write_npy(tensor));
    }
  }
  std::printf("%.3f ms (first run, preparation included)\n", milliseconds);
}

}  // namespace

void add_run_command(CLI::App& app) {
  const auto command = std::make_shared<RunCommand>();
  CLI::App* run = app.add_subcommand("run", "Run an engine, or an ONNX model built on the fly");
  run->add_option("model", command->model, "engine or ONNX file")->required();
  run->add_option("--input", command->inputs, "NAME=FILE, or FILE for the only input");
  run->add_option("--output", command->output, "folder that receives one .npy an output");
  run->add_option("--labels", command->labels, "text file, line i names class i");
  run->add_option("--top", command->top, "how many classes to print")->capture_default_str();
  command->options.add_to(*run);
  run->callback([command] { run_model(*command); });
}

}  // namespace strop::cli

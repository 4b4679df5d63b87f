// SPDX-License-Identifier: Apache-2.0
// strop run: one run of a model on inputs from files.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include "base/os/atomic_file.hpp"
#include "base/os/clock.hpp"
#include "base/os/mapped_file.hpp"
#include "cli/boxed_values.hpp"
#include "cli/commands.hpp"
#include "cli/input_files.hpp"
#include "cli/model_options.hpp"
#include "cli/npy.hpp"
#include "cli/value_text.hpp"
#include "runtime/context.hpp"

namespace strop::cli {
namespace {

// Elements of an output that are printed, and that the JSON of a run holds.
constexpr int kMostPrinted = 24;
constexpr std::int64_t kMostInJson = 100;

struct RunCommand {
  std::string model, output, labels, json;
  std::vector<std::string> inputs;
  int top = 5;
  ModelOptions options;
  RunOptions run_options;
};

std::string file_name_of(std::string name, const char* ending) {
  std::ranges::replace(name, '/', '_');
  std::ranges::replace(name, '\\', '_');
  return name + ending;
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

// Per row along the last axis its largest values, best first: an array of `index`, `score` and,
// where there is one, `label`. Null for outputs that are no scores.
Json find_top(const Tensor& scores, const std::vector<std::string>& labels, int top) {
  if (scores.dtype() != DType::f32 || scores.rank() == 0 || scores.size() == 0) return nullptr;
  const std::int64_t classes = scores.shape().back();
  const float* data = scores.values<float>().data();
  Json rows = Json::array();
  for (std::int64_t row = 0; row < scores.size() / classes; ++row, data += classes) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    const auto count = std::min<std::int64_t>(std::max(top, 1), classes);
    // NaN is below every number; without an order of all values the sort would be undefined.
    const auto before = [data](std::int64_t a, std::int64_t b) {
      if (std::isnan(data[a]) || std::isnan(data[b]))
        return std::isnan(data[b]) && (!std::isnan(data[a]) || a < b);
      return data[a] > data[b] || (data[a] == data[b] && a < b);
    };
    std::partial_sort(order.begin(), order.begin() + count, order.end(), before);
    Json best = Json::array();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t index = order[static_cast<std::size_t>(i)];
      Json entry{{"index", index}, {"score", data[index]}};
      if (static_cast<std::size_t>(index) < labels.size())
        entry["label"] = labels[static_cast<std::size_t>(index)];
      best.push_back(std::move(entry));
    }
    rows.push_back(std::move(best));
  }
  return rows;
}

void print_top(const std::string& name, const Json& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::printf("%s[%zu]\n", name.c_str(), row);
    for (const Json& entry : rows[row]) {
      std::printf("  %12.6g  %6lld  %s\n", entry.at("score").get<double>(),
                  static_cast<long long>(entry.at("index").get<std::int64_t>()),
                  entry.value("label", std::string()).c_str());
    }
  }
}

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Tensors in plain memory as .npy, everything else as .json.
std::string write_output(const RunCommand& command, const EnginePort& port, const Datum& value) {
  const bool plain = is_plain(port);
  const std::string file =
      (std::filesystem::path(command.output) / file_name_of(port.name, plain ? ".npy" : ".json"))
          .string();
  os::write_file(file, plain ? write_npy(value.tensor()) : json_text(to_json(value)));
  return file;
}

// What one output is; `text` is the beginning of it, for people.
Json describe_output(const EnginePort& port, const Datum& value, std::string& text) {
  Json entry{{"name", port.name}};
  entry["type"] = value.is_tensor() ? describe(value.tensor()) : port.type;
  const bool few = element_count_of(value) <= kMostInJson;
  if (few) entry["value"] = to_json(value);
  const bool short_text = !is_plain(port) || value.tensor().size() <= kMostPrinted ||
                          !is_floating(value.tensor().dtype());
  if (short_text) text = beginning_of(value, kMostPrinted);
  return entry;
}

// Runs once, writes the outputs' files, and says what came out; `texts` are for people, by output.
Json run_once(const RunCommand& command, std::vector<std::string>& texts) {
  const auto engine = open_engine(command.model, command.options, false);
  Context context(engine, command.run_options.context(command.options));
  for (const NamedInput& input : read_inputs(command.inputs, *engine)) {
    bind_value(context, input.name, input.value);
  }
  const std::int64_t before = os::monotonic_ns();
  context.run();
  const double milliseconds = static_cast<double>(os::monotonic_ns() - before) / 1e6;

  const std::vector<std::string> labels =
      command.labels.empty() ? std::vector<std::string>{} : read_labels(command.labels);
  if (!command.output.empty()) std::filesystem::create_directories(command.output);
  Json outputs = Json::array();
  for (const EnginePort& port : engine->outputs()) {
    const Datum value = output_value(context, port.name);
    Json entry = describe_output(port, value, texts.emplace_back());
    if (is_plain(port) && !command.labels.empty()) {
      if (Json top = find_top(value.tensor(), labels, command.top); !top.is_null()) {
        entry["top"] = std::move(top);
      }
    }
    if (!command.output.empty()) entry["file"] = write_output(command, port, value);
    outputs.push_back(std::move(entry));
  }
  return {{"strop", STROP_VERSION},
          {"model", command.model},
          {"engine", engine->header().content_id},
          {"device", engine->header().target},
          {"first_run_ms", milliseconds},
          {"outputs", std::move(outputs)}};
}

void run_model(const RunCommand& command) {
  std::vector<std::string> texts;
  const Json result = run_once(command, texts);
  if (command.json == "-") {
    std::fputs(json_text(result).c_str(), stdout);
    return;
  }
  if (!command.json.empty()) os::write_file(command.json, json_text(result));
  const Json& outputs = result.at("outputs");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Json& output = outputs[i];
    const auto name = output.at("name").get<std::string>();
    std::printf("%s: %s\n", name.c_str(), output.at("type").get<std::string>().c_str());
    if (output.contains("top")) {
      print_top(name, output.at("top"));
    } else if (!texts[i].empty()) {
      std::printf("  %s\n", texts[i].c_str());
    }
  }
  std::printf("%.3f ms (first run, preparation included)\n",
              result.at("first_run_ms").get<double>());
}

}  // namespace

void add_run_command(CLI::App& app) {
  const auto command = std::make_shared<RunCommand>();
  CLI::App* run = app.add_subcommand("run", "Run an engine, or an ONNX model built on the fly");
  run->add_option("model", command->model, "engine or ONNX file")->required();
  run->add_option("--input", command->inputs, "NAME=FILE, or FILE for the only input");
  run->add_option("--output", command->output,
                  "folder that receives one .npy (or .json) an output");
  run->add_option("--labels", command->labels, "text file, line i names class i");
  run->add_option("--top", command->top, "how many classes to print")->capture_default_str();
  run->add_option("--json", command->json, "write the result to this file; -: print it, alone");
  command->run_options.add_to(*run);
  command->options.add_to(*run);
  run->callback([command] { run_model(*command); });
}

}  // namespace strop::cli

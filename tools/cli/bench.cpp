// SPDX-License-Identifier: Apache-2.0
// strop bench: how long a run takes. Inputs are bound once; what is measured is Context::run alone,
// with shapes prepared and libraries warm.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/os/atomic_file.hpp"
#include "base/os/clock.hpp"
#include "base/os/cpu_features.hpp"
#include "builder/build_options.hpp"
#include "builder/plan_execution.hpp"
#include "cli/boxed_values.hpp"
#include "cli/commands.hpp"
#include "cli/input_files.hpp"
#include "cli/model_options.hpp"
#include "cli/value_text.hpp"
#include "runtime/context.hpp"

namespace strop::cli {
namespace {

struct BenchCommand {
  std::string model, json;
  std::vector<std::string> inputs, shapes;
  std::int64_t batch = 0;
  double duration = 3;
  int warmup = 3;
  bool profile = false;
  ModelOptions options;
  RunOptions run_options;
};

// Latencies of all runs take 8 bytes each.
constexpr std::size_t kMaxRuns = 10'000'000;

struct Latency {
  double min = 0, median = 0, mean = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};

Latency summarize(std::vector<double> ms) {
  std::ranges::sort(ms);
  // Nearest rank: the smallest value that `share` of the runs do not pass.
  const auto at = [&](double share) {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(ms.size())));
    return ms[std::max<std::size_t>(rank, 1) - 1];
  };
  const double sum = std::accumulate(ms.begin(), ms.end(), 0.0);
  return {.min = ms.front(),
          .median = at(0.5),
          .mean = sum / static_cast<double>(ms.size()),
          .p90 = at(0.9),
          .p95 = at(0.95),
          .p99 = at(0.99),
          .max = ms.back()};
}

// The shapes an input may take from: --shape, else --shapes, else what the engine was tuned for.
WantedShapes wanted_shapes(const BenchCommand& command, const Engine& engine) {
  WantedShapes wanted;
  const auto& options = engine.header().options;
  if (const auto tuned = options.find("shapes"); tuned != options.end()) {
    for (const std::string& entry : split_list(tuned->second, ';')) add_wanted_shape(entry, wanted);
  }
  for (const std::string& entry : command.options.shapes) add_wanted_shape(entry, wanted);
  WantedShapes given;
  for (const std::string& entry : command.shapes) add_wanted_shape(entry, given);
  for (const auto& [name, shape] : given) {
    if (std::ranges::find(engine.inputs(), name, &EnginePort::name) == engine.inputs().end())
      throw Error(ErrorCode::unknown_name, "--shape " + name, "the model has no such input");
    wanted[name] = shape;
  }
  return wanted;
}

Shape shape_of(const EnginePort& port, const WantedShapes& wanted, std::int64_t batch) {
  if (!is_plain(port) || !port.shape) {
    throw Error(ErrorCode::bad_argument, "input " + port.name + " of type " + port.type,
                "no random values can be made for it", "give --input " + port.name + "=FILE");
  }
  const auto given = wanted.find(port.name);
  if (given != wanted.end() && given->second.size() != port.shape->size()) {
    throw Error(ErrorCode::input_rank, "input " + port.name + " of type " + port.type,
                "it is given the shape " + to_string(given->second));
  }
  Shape shape;
  for (std::size_t axis = 0; axis < port.shape->size(); ++axis) {
    const Dim& dim = (*port.shape)[axis];
    std::int64_t size = dim.is_constant() ? dim.value() : -1;
    if (given != wanted.end() && given->second[axis] >= 0) size = given->second[axis];
    if (axis == 0 && batch > 0) size = batch;
    if (size < 0 && axis == 0) size = 1;
    if (size < 0) {
      throw Error(ErrorCode::bad_argument, "input " + port.name + " of type " + port.type,
                  "the size of dimension " + std::to_string(axis) + " is open",
                  "give --shape " + port.name + "=AxBxC, or --input " + port.name + "=FILE");
    }
    shape.push_back(size);
  }
  return shape;
}

std::vector<NamedInput> make_inputs(const BenchCommand& command, const Engine& engine) {
  if (command.batch < 0)
    throw Error(ErrorCode::bad_option, "--batch " + std::to_string(command.batch),
                "a batch has at least one element");
  std::vector<NamedInput> inputs = read_inputs(command.inputs, engine);
  const WantedShapes wanted = wanted_shapes(command, engine);
  std::uint64_t seed = 1;
  for (const EnginePort& port : engine.inputs()) {
    if (std::ranges::find(inputs, port.name, &NamedInput::name) != inputs.end()) continue;
    inputs.push_back(
        {port.name, random_tensor(port.dtype, shape_of(port, wanted, command.batch), seed++)});
  }
  return inputs;
}

// Runs until `seconds` are over, at least once.
std::vector<double> measure(Context& context, double seconds) {
  std::vector<double> ms;
  const std::int64_t start = os::monotonic_ns();
  std::int64_t now = start;
  do {
    context.run();
    const std::int64_t after = os::monotonic_ns();
    ms.push_back(static_cast<double>(after - now) / 1e6);
    now = after;
  } while (static_cast<double>(now - start) / 1e9 < seconds && ms.size() < kMaxRuns);
  return ms;
}

Json to_json(const Latency& latency) {
  return {{"min", latency.min}, {"median", latency.median}, {"mean", latency.mean},
          {"p90", latency.p90}, {"p95", latency.p95},       {"p99", latency.p99},
          {"max", latency.max}};
}

// Of the steps on the device alone, between two points of its own time: no copies, no launches.
Latency measure_on_device(Context& context, double run_ms, double seconds) {
  const int launches = std::clamp(static_cast<int>(2.0 / std::max(run_ms, 1e-3)), 1, 50);
  const double samples = seconds * 1e3 / std::max(run_ms * launches, 0.05);
  std::vector<double> ms =
      context.time_on_device(launches, std::clamp(static_cast<int>(samples), 5, 2000));
  for (double& time : ms) time /= 1e6;
  return summarize(std::move(ms));
}

// A second context, so that measuring steps costs the latencies above nothing.
Json profile_steps(const BenchCommand& command, const std::shared_ptr<const Engine>& engine,
                   const std::vector<NamedInput>& inputs) {
  ContextOptions options = command.run_options.context(command.options);
  options.profile = true;
  Context context(engine, options);
  for (const NamedInput& input : inputs) bind_value(context, input.name, input.value);
  context.run();
  const std::vector<StepProfile> before = context.profile();
  measure(context, std::min(command.duration, 2.0));
  double total = 0;
  std::vector<double> times;
  const std::vector<StepProfile> steps = context.profile();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto runs = static_cast<double>(steps[i].time.runs - before[i].time.runs);
    const auto spent = static_cast<double>(steps[i].time.total_ns - before[i].time.total_ns);
    times.push_back(runs > 0 ? spent / runs / 1e6 : 0);
    total += times.back();
  }
  Json out = Json::array();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = *steps[i].step;
    out.push_back({{"step", step.name},
                   {"op", step.op},
                   {"tactic", step.tactic},
                   {"backend", step.backend},
                   {"ms", times[i]},
                   {"percent", total > 0 ? times[i] / total * 100 : 0}});
  }
  return out;
}

void print_steps(const Json& steps) {
  std::printf("\n%-40s %-16s %-28s %-10s %9s %6s\n", "step", "operator", "tactic", "backend", "ms",
              "%");
  for (const Json& step : steps) {
    std::printf("%-40s %-16s %-28s %-10s %9.4f %6.1f\n", step.at("step").get<std::string>().c_str(),
                step.at("op").get<std::string>().c_str(),
                step.at("tactic").get<std::string>().c_str(),
                step.at("backend").get<std::string>().c_str(), step.at("ms").get<double>(),
                step.at("percent").get<double>());
  }
}

void run_bench(const BenchCommand& command) {
  if (!(command.duration >= 0) || command.warmup < 0)
    throw Error(ErrorCode::bad_option, "--duration or --warmup", "neither can be negative");
  const auto engine = open_engine(command.model, command.options, false);
  const std::vector<NamedInput> inputs = make_inputs(command, *engine);
  const ContextOptions options = command.run_options.context(command.options);
  Context context(engine, options);
  for (const NamedInput& input : inputs) bind_value(context, input.name, input.value);
  const std::int64_t before = os::monotonic_ns();
  context.run();
  const double first_ms = static_cast<double>(os::monotonic_ns() - before) / 1e6;
  for (int i = 0; i < command.warmup; ++i) context.run();
  const std::vector<double> ms = measure(context, command.duration);
  const double seconds = std::accumulate(ms.begin(), ms.end(), 0.0) / 1e3;
  const Latency latency = summarize(ms);
  const std::int64_t batch = std::max<std::int64_t>(command.batch, 1);
  const int threads = options.threads > 0 ? options.threads : os::available_cpus();

  Json out{{"strop", STROP_VERSION},
           {"model", command.model},
           {"engine", engine->header().content_id},
           {"device", engine->header().target},
           {"processor", os::cpu_features().brand},
           {"threads", threads},
           {"batch", batch},
           {"inputs", Json::object()},
           {"warmup", command.warmup},
           {"runs", ms.size()},
           {"seconds", seconds},
           {"first_run_ms", first_ms},
           {"latency_ms", to_json(latency)},
           {"throughput_per_s",
            static_cast<double>(ms.size()) * static_cast<double>(batch) / std::max(seconds, 1e-9)},
           {"peak_memory_bytes", context.peak_memory_bytes()}};
  const Plan& plan = engine->plan();
  if (std::ranges::any_of(plan.steps, [&](const Step& step) {
        return !plan.device.empty() && step.backend == plan.device;
      })) {
    out["device_latency_ms"] =
        to_json(measure_on_device(context, latency.median, command.duration));
    out["peak_device_memory_bytes"] = context.peak_device_memory_bytes();
  }
  for (const NamedInput& input : inputs) out["inputs"][input.name] = kind_text(input.value);
  if (command.profile) out["steps"] = profile_steps(command, engine, inputs);

  const std::string text = out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (command.json == "-") {
    std::fputs(text.c_str(), stdout);
    return;
  }
  if (!command.json.empty()) os::write_file(command.json, text);
  std::printf("%s on %s, %s, %d threads\n", command.model.c_str(), engine->header().target.c_str(),
              os::cpu_features().brand.c_str(), threads);
  for (const NamedInput& input : inputs)
    std::printf("  %-10s %s %s\n", "input", input.name.c_str(), kind_text(input.value).c_str());
  std::printf("  %-10s %zu in %.2f s, after a first of %.2f ms and %d to warm up\n", "runs",
              ms.size(), seconds, first_ms, command.warmup);
  std::printf(
      "  %-10s min %.3f  median %.3f  mean %.3f  p90 %.3f  p95 %.3f  p99 %.3f  max %.3f ms\n",
      "latency", latency.min, latency.median, latency.mean, latency.p90, latency.p95, latency.p99,
      latency.max);
  if (out.contains("device_latency_ms")) {
    const Json& device = out["device_latency_ms"];
    std::printf("  %-10s min %.4f  median %.4f  p99 %.4f ms (steps on the device alone)\n",
                "device", device["min"].get<double>(), device["median"].get<double>(),
                device["p99"].get<double>());
  }
  std::printf("  %-10s %.1f per second\n", "throughput", out["throughput_per_s"].get<double>());
  std::printf("  %-10s %.1f MB beside the weights\n", "memory",
              static_cast<double>(context.peak_memory_bytes()) / 1e6);
  if (command.profile) print_steps(out["steps"]);
}

}  // namespace

void add_bench_command(CLI::App& app) {
  const auto command = std::make_shared<BenchCommand>();
  CLI::App* bench =
      app.add_subcommand("bench", "Measure an engine, or an ONNX model built on the fly");
  bench->add_option("model", command->model, "engine or ONNX file")->required();
  bench->add_option("--input", command->inputs, "NAME=FILE; inputs without one get random values");
  bench->add_option("--shape", command->shapes, "shape of an input, NAME=1x3x224x224");
  bench->add_option("--batch", command->batch, "first dimension of the inputs");
  bench->add_option("--duration", command->duration, "seconds")->capture_default_str();
  bench->add_option("--warmup", command->warmup, "runs that are not counted")
      ->capture_default_str();
  bench->add_option("--json", command->json, "write the result to this file; -: print it, alone");
  bench->add_flag("--profile", command->profile, "table of the steps with their times");
  command->run_options.add_to(*bench);
  command->options.add_to(*bench);
  bench->callback([command] { run_bench(*command); });
}

}  // namespace strop::cli

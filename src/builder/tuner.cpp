// SPDX-License-Identifier: Apache-2.0
#include "builder/tuner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/os/clock.hpp"
#include "base/os/cpu_features.hpp"
#include "base/parallel.hpp"
#include "builder/plan_execution.hpp"
#include "plugin/plugin.hpp"
#include "runtime/backend_loader.hpp"

namespace strop {
namespace {

constexpr int kRounds = 5;
constexpr int kRunsPerRound = 3;
// What is slower than the fastest by this factor, and by more than a disturbance takes, is not run
// again.
constexpr std::int64_t kHopeless = 4;
constexpr std::int64_t kDisturbanceNs = 20'000'000;
constexpr int kWarmUps = 2;  // beside the first run
constexpr double kDeviceSampleNs = 200'000;
constexpr int kDeviceSamples = 7;
constexpr std::int64_t kNotTimed = std::numeric_limits<std::int64_t>::max();

// What times depend on beside the problem: the processor and the versions that backends report.
std::string device_text(int threads, const BuildTarget& target) {
  std::string out;
  if (target.device) {
    out = target.device->name + ", " + std::to_string(target.device->multiprocessors) +
          " multiprocessors; ";
  }
  out += os::cpu_features().brand + "; threads " + std::to_string(threads);
  for (const std::string_view name : {"reference", "cpu", "cuda"}) {
    if (name == "cuda" && target.backend != name) continue;
    const BackendStatus backend = probe_backend(name);
    if (!backend.version.empty())
      out += "; " + backend.name + " " + backend.version + " " + backend.description;
  }
  return out;
}

std::int64_t median(std::vector<std::int64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// Shapes of all operands at the sample's sizes; nothing when one is not determined.
std::optional<std::vector<Shape>> sample_shapes(const Problem& problem,
                                                const SymbolValues& sample) {
  std::vector<Shape> shapes;
  const auto add = [&](const Type& type) {
    if (!type.shape || type.is_boxed()) return false;
    Shape shape;
    for (const Dim& dim : *type.shape) {
      const auto size = dim.try_evaluate(sample);
      if (!size || *size < 0) return false;
      shape.push_back(*size);
    }
    shapes.push_back(std::move(shape));
    return true;
  };
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && !add(problem.input_type(i))) return std::nullopt;
  }
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i) {
    if (!add(problem.output_type(i))) return std::nullopt;
  }
  return shapes;
}

}  // namespace

Tuner::Tuner(const BuildConfig& config, const BuildTarget& target, const SymbolValues& sample)
    : config_(config),
      target_(target),
      sample_(sample),
      cache_(device_text(config.threads, target)) {}

std::optional<std::string> Tuner::load_cache() {
  return config_.timing_cache.empty() ? std::nullopt : cache_.load(config_.timing_cache);
}

std::optional<std::string> Tuner::save_cache() const {
  if (config_.timing_cache.empty() || !cache_.changed()) return std::nullopt;
  return cache_.save(config_.timing_cache);
}

std::vector<double> Tuner::times(const Problem& problem, std::span<const Candidate> candidates,
                                 NodeReport& report) {
  if (config_.progress && !config_.progress({"tune", problem.node->name, 0.5})) {
    throw Error(ErrorCode::cancelled, "the build was cancelled");
  }
  const auto shapes = sample_shapes(problem, sample_);
  if (!shapes || !config_.tuning) return {};
  std::string key = problem.key();
  if (const PluginOperator* op = plugin_operator(problem.op()))
    key += " of " + op->library->name + " " + op->library->version();
  key += " at";
  for (const Shape& shape : *shapes) key += " " + to_string(shape);
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates) names.push_back(candidate.name());

  const std::vector<TimedCandidate>* times = cache_.find(key, names);
  std::vector<TimedCandidate> measured;
  if (times == nullptr) {
    if (!target_.can_run()) return {};
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    if (spent.count() > config_.budget_seconds) return {};
    try {
      measured = measure(problem, candidates);
    } catch (const Error& error) {
      // Kernels of plugins look at data that may be indices or sizes.
      if (error.code() != ErrorCode::bad_value && error.code() != ErrorCode::bad_shape) throw;
      notes_.push_back("node " + problem.node->name + " was not timed, it refuses made-up data: " +
                       error.diagnostics().front().why);
      return {};
    }
    if (measured.empty()) return {};
    cache_.store(key, measured);
    ++timed_;
    times = &measured;
  }
  std::vector<double> out;
  for (const std::string& name : names) {
    const auto time = std::ranges::find(*times, name, &TimedCandidate::name);
    if (time->nanoseconds != kNotTimed) report.timings.push_back({time->name, time->nanoseconds});
    out.push_back(static_cast<double>(time->nanoseconds));
  }
  // What is within 2 % of the fastest is as fast: the first of them wins wherever nothing else
  // tells them apart.
  const double best = *std::ranges::min_element(out);
  for (double& time : out) {
    if (time <= best * 1.02) time = best;
  }
  return out;
}

std::int64_t Tuner::time_on_device(Plan plan, std::span<const Tensor> inputs) const {
  PlanExecution execution(std::move(plan), config_.threads, target_.device->ordinal);
  execution.bind(inputs);
  execution.run();
  const double once = execution.time_on_device(2, 1, 2);
  const int copies = std::clamp(static_cast<int>(kDeviceSampleNs / std::max(once, 1000.0)), 1, 50);
  const double best = execution.time_on_device(copies, 1, kDeviceSamples);
  return std::max<std::int64_t>(1, std::llround(best));
}

// On a device: every candidate in a graph that does it several times in a row, so that neither
// launches nor the clock's steps count.
std::vector<TimedCandidate> Tuner::measure_on_device(const Problem& problem,
                                                     std::span<const Candidate> candidates) {
  std::vector<std::optional<Plan>> plans(candidates.size());
  std::vector<std::optional<Error>> problems(candidates.size());
  // Compiling is most of it.
  parallel_for(
      static_cast<std::int64_t>(candidates.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          try {
            plans[i] = lower_single(problem, candidates[i], sample_);
          } catch (const Error& error) {
            problems[i] = error;
          }
        }
      });
  std::vector<TimedCandidate> times;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    times.push_back({candidates[i].name(), kNotTimed});
    if (!plans[i]) throw Error(*problems[i]);
    std::vector<Tensor> inputs;
    for (const std::uint32_t input : plans[i]->inputs) {
      const Slot& slot = plans[i]->slots[input];
      inputs.push_back(random_tensor(slot.dtype, *to_concrete(*slot.shape), inputs.size() + 1));
    }
    try {
      times.back().nanoseconds = time_on_device(std::move(*plans[i]), inputs);
    } catch (const Error& error) {
      // A library may have nothing for these sizes; what was not timed is not taken.
      if (error.code() != ErrorCode::no_implementation) throw;
      notes_.push_back(times.back().name + " was not timed for node " + problem.node->name + ": " +
                       error.diagnostics().front().why);
    }
  }
  return times;
}

std::vector<TimedCandidate> Tuner::measure(const Problem& problem,
                                           std::span<const Candidate> candidates) {
  if (target_.device && works_on_device(problem, *candidates[0].tactic))
    return measure_on_device(problem, candidates);
  std::vector<PlanExecution> executions;
  std::vector<TimedCandidate> times;
  for (const Candidate& candidate : candidates) {
    Plan plan = lower_single(problem, candidate, sample_);
    std::vector<Tensor> inputs;
    for (const std::uint32_t input : plan.inputs) {
      const Slot& slot = plan.slots[input];
      inputs.push_back(random_tensor(slot.dtype, *to_concrete(*slot.shape), inputs.size() + 1));
    }
    executions.emplace_back(std::move(plan), config_.threads);
    executions.back().bind(inputs);
    times.push_back({candidate.name(), std::numeric_limits<std::int64_t>::max()});
  }
  const auto time_once = [&](std::size_t i) {
    const std::int64_t before = os::monotonic_ns();
    executions[i].run();
    return std::max<std::int64_t>(1, os::monotonic_ns() - before);
  };
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
  const auto is_hopeless = [&](std::size_t i, std::int64_t disturbance) {
    return times[i].nanoseconds / kHopeless > best && times[i].nanoseconds - best > disturbance;
  };
  for (int run = 0; run <= kWarmUps; ++run) {
    for (std::size_t i = 0; i < executions.size(); ++i) {
      if (run > 0 && is_hopeless(i, kDisturbanceNs)) continue;
      times[i].nanoseconds = std::min(times[i].nanoseconds, time_once(i));
    }
    best = std::ranges::min_element(times, {}, &TimedCandidate::nanoseconds)->nanoseconds;
  }
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < executions.size(); ++i) {
      if (is_hopeless(i, 0)) continue;
      std::vector<std::int64_t> runs;
      for (int run = 0; run < kRunsPerRound; ++run) runs.push_back(time_once(i));
      times[i].nanoseconds = std::min(times[i].nanoseconds, median(std::move(runs)));
    }
  }
  return times;
}

}  // namespace strop

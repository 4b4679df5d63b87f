// SPDX-License-Identifier: Apache-2.0
#include "builder/tuner.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>

#include "base/os/clock.hpp"
#include "base/os/cpu_features.hpp"
#include "builder/plan_execution.hpp"
#include "plugin/plugin.hpp"
#include "runtime/backend_loader.hpp"
#include "tactic/work.hpp"

namespace strop {
namespace {

constexpr int kRounds = 5;
constexpr int kRunsPerRound = 3;
// What is slower than the fastest by this factor, and by more than a disturbance takes, is not run
// again.
constexpr std::int64_t kHopeless = 4;
constexpr std::int64_t kDisturbanceNs = 20'000'000;
constexpr int kWarmUps = 2;  // beside the first run
constexpr double kLongestBudget = 1e8;
constexpr double kNeverTaken = 1e18;  // nanoseconds
// Of a device, to weigh problems against each other.
constexpr double kLaunchNs = 2000, kMultiplyAddsPerNs = 200'000, kBytesPerNs = 2000;

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

const TimedCandidate* find_time(const std::vector<TimedCandidate>& times, const std::string& name) {
  const auto at = std::ranges::find(times, name, &TimedCandidate::name);
  return at == times.end() ? nullptr : &*at;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
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
      cache_(device_text(config.threads, target)),
      deadline_(
          std::chrono::steady_clock::now() +
          std::chrono::duration_cast<std::chrono::steady_clock::duration>(
              std::chrono::duration<double>(std::min(config.budget_seconds, kLongestBudget)))) {}

std::optional<std::string> Tuner::load_cache() {
  return config_.timing_cache.empty() ? std::nullopt : cache_.load(config_.timing_cache);
}

std::optional<std::string> Tuner::save_cache() const {
  if (config_.timing_cache.empty() || !cache_.changed()) return std::nullopt;
  return cache_.save(config_.timing_cache);
}

std::vector<std::string> Tuner::notes() const {
  std::vector<std::string> out = notes_;
  if (cut_off_ > 0) {
    out.push_back("tuning: the budget of " + number_text(config_.budget_seconds) +
                  " s left no time for " + std::to_string(cut_off_) +
                  " candidates; --budget gives more");
  }
  return out;
}

bool Tuner::on_device(const Asked& asked) const {
  return target_.device && works_on_device(asked.question->problem, *asked.candidates[0].tactic);
}

void Tuner::tell(const std::string& node, double part) const {
  if (config_.progress && !config_.progress({"tune", node, 0.3 + 0.35 * part}))
    throw Error(ErrorCode::cancelled, "the build was cancelled");
}

std::optional<Tuner::Asked> Tuner::ask(const CandidateQuestion& question) const {
  const Problem& problem = question.problem;
  const auto shapes = sample_shapes(problem, sample_);
  if (!shapes) return std::nullopt;
  Asked out;
  out.question = &question;
  out.candidates = question.candidates;
  if (on_device(out)) out.candidates = promising_candidates(problem, question.candidates);
  out.key = problem.key();
  if (const PluginOperator* op = plugin_operator(problem.op()))
    out.key += " of " + op->library->name + " " + op->library->version();
  out.key += " at";
  for (const Shape& shape : *shapes) out.key += " " + to_string(shape);
  for (const Candidate& candidate : out.candidates) out.names.push_back(candidate.name());
  return out;
}

std::vector<std::vector<double>> Tuner::times(std::span<const CandidateQuestion> questions) {
  std::vector<std::vector<double>> out(questions.size());
  if (!config_.tuning) return out;
  std::map<std::string, Asked> problems;
  std::vector<Asked*> asked_as(questions.size(), nullptr);
  std::vector<Asked*> here, away;
  for (std::size_t q = 0; q < questions.size(); ++q) {
    std::optional<Asked> asked = ask(questions[q]);
    if (!asked) continue;
    const auto [at, fresh] = problems.try_emplace(asked->key, std::move(*asked));
    Asked& problem = at->second;
    asked_as[q] = &problem;
    const auto* known = cache_.find(problem.key, problem.names);
    if (!fresh) {
      ++problem.nodes;
      continue;
    }
    bool complete = known != nullptr;
    for (const std::string& name : problem.names) {
      const TimedCandidate* time = known == nullptr ? nullptr : find_time(*known, name);
      const bool again =
          time == nullptr || was_cut_off_before(time->nanoseconds, config_.budget_seconds);
      complete = complete && !again;
      problem.times.push_back({name, again ? 0 : time->nanoseconds});
    }
    if (!complete) (on_device(problem) ? away : here).push_back(&problem);
  }
  if (target_.can_run()) {
    if (!away.empty()) measure_on_device(std::move(away));
    for (Asked* problem : here) measure_here(*problem);
  }
  for (std::size_t q = 0; q < questions.size(); ++q) {
    if (asked_as[q] != nullptr) out[q] = answer(questions[q], *asked_as[q]);
  }
  return out;
}

std::vector<double> Tuner::answer(const CandidateQuestion& question, const Asked& asked) const {
  const auto best = std::ranges::min_element(asked.times, {}, [](const TimedCandidate& time) {
    return time.nanoseconds == 0 ? kNoTime : time.nanoseconds;
  });
  if (best->nanoseconds == 0 || !is_time(best->nanoseconds)) return {};
  // What is within 2 % of the fastest is as fast: the first of them wins wherever nothing else
  // tells them apart.
  const auto fastest = static_cast<double>(best->nanoseconds);
  std::vector<double> out;
  for (const Candidate& candidate : question.candidates) {
    const TimedCandidate* time = find_time(asked.times, candidate.name());
    if (time == nullptr || time->nanoseconds == 0 || !is_time(time->nanoseconds)) {
      out.push_back(kNeverTaken);
      continue;
    }
    question.report->timings.push_back({time->name, time->nanoseconds});
    const auto nanoseconds = static_cast<double>(time->nanoseconds);
    out.push_back(nanoseconds <= fastest * 1.02 ? fastest : nanoseconds);
  }
  return out;
}

void Tuner::measure_on_device(std::vector<Asked*> asked) {
  std::vector<DeviceTask> tasks;
  for (const Asked* one : asked) {
    const Problem& problem = one->question->problem;
    DeviceTask& task = tasks.emplace_back();
    task.problem = &problem;
    task.candidates = one->candidates;
    for (const TimedCandidate& time : one->times) task.times.push_back(time.nanoseconds);
    const Work work = work_of(*problem.graph, *problem.node, sample_);
    task.weight = static_cast<double>(one->nodes) *
                  (kLaunchNs + work.multiply_adds / kMultiplyAddsPerNs + work.bytes / kBytesPerNs);
  }
  DeviceTuner tuner(config_, target_, sample_, deadline_);
  tuner.run(tasks, [this](const std::string& node, double part) { tell(node, part); });
  device_costs_ += tuner.costs();
  notes_.insert(notes_.end(), tuner.notes().begin(), tuner.notes().end());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    bool any = false;
    for (std::size_t c = 0; c < tasks[i].times.size(); ++c) {
      std::int64_t& time = asked[i]->times[c].nanoseconds;
      time = tasks[i].times[c];
      any = any || time != 0;
      if (time != 0) continue;
      ++cut_off_;
      time = cut_off_by(config_.budget_seconds);
    }
    // What this budget cuts off, the same budget does not begin again.
    if (any || config_.budget_seconds > 0) cache_.store(asked[i]->key, asked[i]->times);
    if (any) ++timed_;
  }
}

void Tuner::measure_here(Asked& asked) {
  const Problem& problem = asked.question->problem;
  tell(problem.node->name, 0.5);
  if (is_over()) return;
  try {
    asked.times = measure(problem, asked.candidates);
  } catch (const Error& error) {
    // Kernels of plugins look at data that may be indices or sizes.
    if (error.code() != ErrorCode::bad_value && error.code() != ErrorCode::bad_shape) throw;
    notes_.push_back("node " + problem.node->name +
                     " was not timed, it refuses made-up data: " + error.diagnostics().front().why);
    return;
  }
  cache_.store(asked.key, asked.times);
  ++timed_;
}

std::vector<TimedCandidate> Tuner::measure(const Problem& problem,
                                           std::span<const Candidate> candidates) {
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

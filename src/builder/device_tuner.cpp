// SPDX-License-Identifier: Apache-2.0
#include "builder/device_tuner.hpp"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/parallel.hpp"
#include "builder/plan_execution.hpp"
#include "runtime/device_session.hpp"
#include "tactic/timing_cache.hpp"

namespace strop {
namespace {

using Clock = DeviceTuner::Clock;

constexpr std::size_t kMostOfATactic = 8;
// What is slower than the fastest by this factor in a short run is not run longer.
constexpr double kHopeless = 1.5;
// A library's further suggestions are looked at as long as the best one is within this factor of
// the best kernel of Strop's own.
constexpr double kLibraryNear = 1.3;
constexpr double kSampleNs = 200'000;
constexpr int kSamples = 7, kSamplesOfLong = 5;
// Candidates that are made but not timed yet.
constexpr std::size_t kAheadOfEachThread = 4;
constexpr std::int64_t kAheadBytes = std::int64_t{2} << 30;
constexpr std::int64_t kLibraryBytes = std::int64_t{64} << 20;  // of a handle, roughly
constexpr std::int64_t kInputAlignment = 256;
constexpr std::int64_t kRandomElements = 1 << 20;

double seconds_since(Clock::time_point before) {
  return std::chrono::duration<double>(Clock::now() - before).count();
}

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kInputAlignment - 1) / kInputAlignment * kInputAlignment;
}

double slowdown_of(const Problem& problem, const Candidate& candidate) {
  const Tactic& tactic = *candidate.tactic;
  return tactic.slowdown == nullptr ? 1 : std::max(1.0, tactic.slowdown(problem, candidate.config));
}

std::int64_t bytes_at(const Type& type, const SymbolValues& sample) {
  return byte_size(type.dtype, evaluate(*type.shape, sample));
}

// Of a task, at the sample's sizes.
struct TaskBytes {
  std::int64_t constants = 0, others = 0;
};

TaskBytes bytes_of(const Problem& problem, const SymbolValues& sample) {
  TaskBytes out;
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (!problem.has_input(i)) continue;
    const Tensor* constant = problem.constant(i);
    (constant != nullptr ? out.constants : out.others) +=
        constant != nullptr ? constant->bytes() : bytes_at(problem.input_type(i), sample);
  }
  for (std::size_t i = 0; i < problem.node->outputs.size(); ++i)
    out.others += bytes_at(problem.output_type(i), sample);
  return out;
}

struct Job {
  std::size_t task = 0, candidate = 0;
  bool library = false, further = false;  // a further suggestion of one
  std::int64_t bytes = 0;                 // that it holds until it is timed
  std::size_t after = 0;                  // begins when so many jobs were timed
};

// Round by round: best guesses, the rest of Strop's own, first suggestions of libraries, the rest
// of theirs. Within a round the problems that weigh most come first.
std::vector<Job> order_jobs(std::span<const DeviceTask> tasks, const SymbolValues& sample) {
  std::vector<std::size_t> by_weight(tasks.size());
  for (std::size_t t = 0; t < tasks.size(); ++t) by_weight[t] = t;
  std::ranges::stable_sort(by_weight, std::greater<>(),
                           [&](std::size_t t) { return tasks[t].weight; });
  std::vector<Job> rounds[4];
  for (const std::size_t t : by_weight) {
    const DeviceTask& task = tasks[t];
    const TaskBytes bytes = bytes_of(*task.problem, sample);
    std::optional<std::size_t> guess;
    for (std::size_t c = 0; c < task.candidates.size(); ++c) {
      if (task.candidates[c].tactic->opens_library) continue;
      if (!guess || slowdown_of(*task.problem, task.candidates[c]) <
                        slowdown_of(*task.problem, task.candidates[*guess]))
        guess = c;
    }
    std::map<const Tactic*, int> suggestions;
    for (std::size_t c = 0; c < task.candidates.size(); ++c) {
      const Tactic* tactic = task.candidates[c].tactic;
      const bool library = tactic->opens_library;
      const bool further = library && suggestions[tactic]++ > 0;
      if (task.times[c] != 0) continue;
      const int round = !library ? (c == guess ? 0 : 1) : further ? 3 : 2;
      rounds[round].push_back({t, c, library, further,
                               bytes.constants + (library ? bytes.others + kLibraryBytes : 0), 0});
    }
  }
  std::vector<Job> out;
  for (const std::vector<Job>& round : rounds) out.insert(out.end(), round.begin(), round.end());
  // What a library suggests next depends on how its first suggestion did.
  std::map<std::pair<std::size_t, const Tactic*>, std::size_t> first;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::pair key(out[i].task, tasks[out[i].task].candidates[out[i].candidate].tactic);
    const auto at = first.try_emplace(key, i).first;
    if (out[i].further && at->second < i) out[i].after = at->second + 1;
  }
  return out;
}

// Whether a library's further suggestion is not worth looking at, by the times known so far.
bool is_far_behind(const DeviceTask& task, const Tactic* library) {
  std::int64_t best_own = kNoTime, best_library = kNoTime;
  bool tried = false;
  for (std::size_t i = 0; i < task.candidates.size(); ++i) {
    const std::int64_t time = task.times[i];
    if (time == 0) continue;
    if (!task.candidates[i].tactic->opens_library && is_time(time))
      best_own = std::min(best_own, time);
    if (task.candidates[i].tactic != library) continue;
    tried = true;
    if (is_time(time)) best_library = std::min(best_library, time);
  }
  return tried && static_cast<double>(best_library) > kLibraryNear * static_cast<double>(best_own);
}

}  // namespace

DeviceTuningCosts& DeviceTuningCosts::operator+=(const DeviceTuningCosts& other) {
  lowering += other.lowering;
  library_plans += other.library_plans;
  timing += other.timing;
  waiting += other.waiting;
  lowered += other.lowered;
  planned += other.planned;
  timed += other.timed;
  return *this;
}

std::vector<Candidate> promising_candidates(const Problem& problem,
                                            std::span<const Candidate> candidates) {
  std::map<std::string, std::size_t> taken;  // by tactic and layouts
  std::vector<Candidate> out;
  for (const Candidate& candidate : candidates) {
    Candidate family = candidate;
    family.config.clear();
    const double slowdown = slowdown_of(problem, candidate);
    const auto most = static_cast<std::size_t>(
        std::max(1L, std::lround(static_cast<double>(kMostOfATactic) / (slowdown * slowdown))));
    if (taken[family.name()]++ < most) out.push_back(candidate);
  }
  return out;
}

// Random operands in the device's memory, which all problems share.
class DeviceTuner::Inputs {
 public:
  Inputs(const std::string& backend, int ordinal) : session_(backend, ordinal, 0) {}

  // Room for the operands of that problem.
  void reserve(const Problem& problem, const SymbolValues& sample) {
    std::map<DType, std::int64_t> wanted;
    for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
      if (!problem.has_input(i) || problem.constant(i) != nullptr) continue;
      const Type& type = problem.input_type(i);
      wanted[type.dtype] += aligned(bytes_at(type, sample));
    }
    for (const auto& [dtype, bytes] : wanted)
      pools_[dtype].bytes = std::max(pools_[dtype].bytes, bytes);
  }

  void fill() {
    for (auto& [dtype, pool] : pools_) {
      pool.block = std::make_unique<DeviceBlock>(session_);
      auto* memory = static_cast<std::byte*>(pool.block->reserve(pool.bytes));
      const Tensor random = random_tensor(dtype, {kRandomElements}, 1);
      std::int64_t filled = std::min(random.bytes(), pool.bytes);
      session_.copy(memory, random.data(), filled, STROP_ABI_TO_DEVICE);
      while (filled < pool.bytes) {
        const std::int64_t next = std::min(filled, pool.bytes - filled);
        session_.copy(memory + filled, memory, next, STROP_ABI_ON_DEVICE);
        filled += next;
      }
      session_.synchronize();
    }
  }

  std::vector<PlanExecution::DeviceInput> of(const Plan& plan) const {
    std::map<DType, std::int64_t> used;
    std::vector<PlanExecution::DeviceInput> out;
    for (const std::uint32_t input : plan.inputs) {
      const Slot& slot = plan.slots[input];
      const Shape shape = *to_concrete(*slot.shape);
      const auto pool = pools_.find(slot.dtype);
      STROP_CHECK(pool != pools_.end(), "operands are of a type that memory was reserved for");
      auto* memory = static_cast<std::byte*>(pool->second.block->data());
      std::int64_t& at = used[slot.dtype];
      out.push_back({slot.dtype, shape, memory + at});
      at += aligned(byte_size(slot.dtype, shape));
    }
    return out;
  }

 private:
  struct Pool {
    std::int64_t bytes = 0;
    std::unique_ptr<DeviceBlock> block;
  };
  DeviceSession session_;
  std::map<DType, Pool> pools_;
};

// A candidate that is ready to be timed, or why there is none.
struct DeviceTuner::Made {
  bool done = false, skipped = false;
  std::optional<Plan> plan;
  std::unique_ptr<PlanExecution> execution;  // of a library, whose plans take long to make
  std::optional<Error> error;
};

// The threads that make candidates, in the order of the jobs and not too far ahead of `take`.
class DeviceTuner::Makers {
 public:
  Makers(DeviceTuner& tuner, std::span<const DeviceTask> tasks, std::span<const Job> jobs,
         const Inputs& inputs)
      : tuner_(tuner), tasks_(tasks), jobs_(jobs), inputs_(inputs), made_(jobs.size()) {
    const int wanted = tuner.config_.threads > 0 ? tuner.config_.threads : thread_count();
    // One processor is left to the thread that times.
    const auto count = std::min(jobs.size(), static_cast<std::size_t>(std::max(wanted - 1, 1)));
    ahead_ = count * kAheadOfEachThread;
    try {
      for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {  // no more threads for this process
      if (threads_.empty()) throw;
    }
  }

  // Waits for what is being made.
  ~Makers() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // What job i became; nothing when the deadline came first.
  std::optional<Made> take(std::size_t i) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, tuner_.deadline_, [&] { return made_[i].done; }))
      return std::nullopt;
    Made out = std::move(made_[i]);
    made_[i] = {};
    taken_ = i + 1;
    held_bytes_ -= jobs_[i].bytes;
    changed_.notify_all();
    return out;
  }

  // Job i is timed. Times are read by the threads that make candidates.
  void record(std::size_t i, std::int64_t& time, std::int64_t nanoseconds) {
    {
      const std::scoped_lock lock(mutex_);
      time = nanoseconds;
      timed_ = i + 1;
    }
    changed_.notify_all();
  }

 private:
  bool may_begin() const {
    return next_ < taken_ + ahead_ && jobs_[next_].after <= timed_ &&
           (held_bytes_ < kAheadBytes || next_ == taken_);
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopped_ || next_ >= jobs_.size() || may_begin(); });
      if (stopped_ || next_ >= jobs_.size()) return;
      const std::size_t i = next_++;
      held_bytes_ += jobs_[i].bytes;
      const DeviceTask& task = tasks_[jobs_[i].task];
      const bool skip =
          jobs_[i].further && is_far_behind(task, task.candidates[jobs_[i].candidate].tactic);
      lock.unlock();
      Made made;
      made.skipped = skip;
      const Clock::time_point before = Clock::now();
      if (!skip) make(jobs_[i], made);
      const double seconds = seconds_since(before);
      lock.lock();
      DeviceTuningCosts& costs = tuner_.costs_;
      if (!skip) ++(jobs_[i].library ? costs.planned : costs.lowered);
      (jobs_[i].library ? costs.library_plans : costs.lowering) += seconds;
      made.done = true;
      made_[i] = std::move(made);
      changed_.notify_all();
    }
  }

  void make(const Job& job, Made& made) const {
    const DeviceTask& task = tasks_[job.task];
    try {
      Plan plan = lower_single(*task.problem, task.candidates[job.candidate], tuner_.sample_);
      if (!job.library) {
        made.plan = std::move(plan);
        return;
      }
      std::vector<PlanExecution::DeviceInput> inputs = inputs_.of(plan);
      made.execution = std::make_unique<PlanExecution>(std::move(plan), tuner_.config_.threads,
                                                       tuner_.target_.device->ordinal);
      made.execution->bind_on_device(std::move(inputs));
    } catch (const Error& error) {
      made.error = error;
    } catch (const std::exception& error) {
      made.error = Error(ErrorCode::internal, "lowering a candidate", error.what());
    }
  }

  DeviceTuner& tuner_;
  std::span<const DeviceTask> tasks_;
  std::span<const Job> jobs_;
  const Inputs& inputs_;
  std::vector<Made> made_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0, taken_ = 0, timed_ = 0, ahead_ = 1;
  std::int64_t held_bytes_ = 0;
  bool stopped_ = false;
};

// In a graph that does it several times in a row, so that neither launches nor the clock's steps
// count. Short runs tell what is not worth long ones.
std::int64_t DeviceTuner::time(const DeviceTask& task, std::size_t candidate, Made& made,
                               double& best_once, Inputs& inputs) {
  const auto note = [&](const Error& error) {
    notes_.push_back(task.candidates[candidate].name() + " was not timed for node " +
                     task.problem->node->name + ": " + error.diagnostics().front().why);
    return kNoTime;
  };
  try {
    if (made.error) throw Error(*made.error);
    if (!made.execution) {
      std::vector<PlanExecution::DeviceInput> operands = inputs.of(*made.plan);
      made.execution = std::make_unique<PlanExecution>(std::move(*made.plan), config_.threads,
                                                       target_.device->ordinal);
      made.execution->bind_on_device(std::move(operands));
    }
    made.execution->run_on_device();
    const double once = std::max(made.execution->time_on_device(2, 1, 2), 1.0);
    if (once > kHopeless * best_once) return std::max<std::int64_t>(1, std::llround(once));
    best_once = std::min(best_once, once);
    const int copies = std::clamp(static_cast<int>(kSampleNs / std::max(once, 1000.0)), 1, 50);
    const double best =
        made.execution->time_on_device(copies, 1, copies > 1 ? kSamples : kSamplesOfLong);
    return std::max<std::int64_t>(1, std::llround(best));
  } catch (const Error& error) {
    // A library may have nothing for these sizes, and a kernel no room for its workspace.
    switch (error.code()) {
      case ErrorCode::no_implementation:
      case ErrorCode::out_of_memory:
      case ErrorCode::bad_value:
      case ErrorCode::bad_shape:
        return note(error);
      default:
        throw;
    }
  }
}

void DeviceTuner::run(std::span<DeviceTask> tasks,
                      const std::function<void(const std::string&, double)>& progress) {
  const std::vector<Job> jobs = order_jobs(tasks, sample_);
  if (jobs.empty()) return;
  Inputs inputs(target_.backend, target_.device->ordinal);
  for (const Job& job : jobs) inputs.reserve(*tasks[job.task].problem, sample_);
  inputs.fill();
  std::vector<double> best_once(tasks.size(), std::numeric_limits<double>::infinity());
  Makers makers(*this, tasks, jobs, inputs);
  for (std::size_t i = 0; i < jobs.size() && Clock::now() < deadline_; ++i) {
    DeviceTask& task = tasks[jobs[i].task];
    const std::size_t candidate = jobs[i].candidate;
    progress(task.problem->node->name, static_cast<double>(i) / static_cast<double>(jobs.size()));
    Clock::time_point before = Clock::now();
    std::optional<Made> made = makers.take(i);
    costs_.waiting += seconds_since(before);
    if (!made) break;
    before = Clock::now();
    std::int64_t nanoseconds = kNoTime;
    if (!made->skipped &&
        !(jobs[i].further && is_far_behind(task, task.candidates[candidate].tactic))) {
      nanoseconds = time(task, candidate, *made, best_once[jobs[i].task], inputs);
      ++costs_.timed;
    }
    made.reset();
    costs_.timing += seconds_since(before);
    makers.record(i, task.times[candidate], nanoseconds);
  }
}

}  // namespace strop

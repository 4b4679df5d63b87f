// SPDX-License-Identifier: Apache-2.0
// Times candidates on a device. Threads lower and compile what comes next while the device times
// what is ready. Every problem's best guess comes first, so that a budget that ends leaves no
// problem without a time before all have one; then the other candidates of Strop's own; libraries
// last, and their further suggestions only where the first comes near.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "builder/build_config.hpp"
#include "builder/targets.hpp"
#include "lower/lower.hpp"

namespace strop {

// One problem. Times are nanoseconds, or what timing_cache.hpp has instead of one; 0: to be timed,
// and left at 0 where the time was over.
struct DeviceTask {
  const Problem* problem = nullptr;
  std::vector<Candidate> candidates;
  std::vector<std::int64_t> times;  // parallel to candidates
  double weight = 0;                // what it is thought to take in the whole graph
};

// Seconds of all threads together, but for `timing` and `waiting` of the one that times.
struct DeviceTuningCosts {
  double lowering = 0, library_plans = 0, timing = 0, waiting = 0;
  std::size_t lowered = 0, planned = 0, timed = 0;

  DeviceTuningCosts& operator+=(const DeviceTuningCosts& other);
};

// The candidates worth timing: fewer of a tactic, in the order in which it names them, the slower
// it is thought to be.
std::vector<Candidate> promising_candidates(const Problem& problem,
                                            std::span<const Candidate> candidates);

class DeviceTuner {
 public:
  using Clock = std::chrono::steady_clock;

  // `sample` has a value for every symbol of the problems.
  DeviceTuner(const BuildConfig& config, const BuildTarget& target, const SymbolValues& sample,
              Clock::time_point deadline)
      : config_(config), target_(target), sample_(sample), deadline_(deadline) {}

  // `progress` is told the node and the part that is done; what it throws ends the tuning.
  void run(std::span<DeviceTask> tasks,
           const std::function<void(const std::string&, double)>& progress);

  const DeviceTuningCosts& costs() const { return costs_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Made;
  class Inputs;
  class Makers;

  std::int64_t time(const DeviceTask& task, std::size_t candidate, Made& made, double& best_once,
                    Inputs& inputs);

  const BuildConfig& config_;
  const BuildTarget& target_;
  const SymbolValues& sample_;
  Clock::time_point deadline_;
  DeviceTuningCosts costs_;
  std::vector<std::string> notes_;
};

}  // namespace strop

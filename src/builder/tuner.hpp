// SPDX-License-Identifier: Apache-2.0
// Times candidates on this machine and keeps what was timed in the timing cache. On the processor:
// interleaved (a, b, a, b, ...), the minimum over rounds of the median of a round, so that a
// disturbance hits no candidate alone. On a device: device_tuner.hpp.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "builder/build_config.hpp"
#include "builder/device_tuner.hpp"
#include "builder/targets.hpp"
#include "lower/lower.hpp"
#include "tactic/timing_cache.hpp"

namespace strop {

class Tuner {
 public:
  // `sample` gives open dimensions their sizes; what it does not determine is not timed.
  // Without a device at hand, what the cache knows is all that is known. The budget's time begins
  // here.
  Tuner(const BuildConfig& config, const BuildTarget& target, const SymbolValues& sample);

  // Nanoseconds of each candidate of each question (LowerOptions::measure); empty when the budget
  // is spent, sizes are unknown, or a candidate refuses made-up data, which is noted. Candidates
  // within 2 % of the fastest count as equally fast. Throws Error(cancelled).
  std::vector<std::vector<double>> times(std::span<const CandidateQuestion> questions);

  std::size_t timed() const { return timed_; }
  // What was refused, and what the budget cut off.
  std::vector<std::string> notes() const;
  std::size_t cached() const { return cache_.hits(); }
  const DeviceTuningCosts& device_costs() const { return device_costs_; }
  // Read and write config.timing_cache, if any. A note when that was in vain.
  std::optional<std::string> load_cache();
  std::optional<std::string> save_cache() const;

 private:
  // A question whose answer can be looked up or measured; equal problems are one.
  struct Asked {
    const CandidateQuestion* question = nullptr;
    std::string key;
    std::vector<std::string> names;     // of the candidates that are worth it
    std::vector<Candidate> candidates;  // those
    std::vector<TimedCandidate> times;  // parallel, once they are known
    std::size_t nodes = 1;
  };

  std::optional<Asked> ask(const CandidateQuestion& question) const;
  bool on_device(const Asked& asked) const;
  void tell(const std::string& node, double part) const;
  bool is_over() const { return std::chrono::steady_clock::now() >= deadline_; }
  void measure_on_device(std::vector<Asked*> asked);
  void measure_here(Asked& asked);
  std::vector<TimedCandidate> measure(const Problem& problem,
                                      std::span<const Candidate> candidates);
  // Of all candidates of the question.
  std::vector<double> answer(const CandidateQuestion& question, const Asked& asked) const;

  const BuildConfig& config_;
  const BuildTarget& target_;
  const SymbolValues& sample_;
  TimingCache cache_;
  std::chrono::steady_clock::time_point deadline_;
  DeviceTuningCosts device_costs_;
  std::size_t timed_ = 0, cut_off_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// Times candidates on this machine: interleaved (a, b, a, b, ...), the
// minimum over rounds of the median of a round, so that a disturbance hits no candidate alone. What
// was timed is kept in the timing cache.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "builder/build_config.hpp"
#include "builder/targets.hpp"
#include "lower/lower.hpp"
#include "tactic/timing_cache.hpp"

namespace strop {

class Tuner {
 public:
  // `sample` gives open dimensions their sizes; what it does not determine is not timed.
  // Without a device at hand, what the cache knows is all that is known.
  Tuner(const BuildConfig& config, const BuildTarget& target, const SymbolValues& sample);

  // Nanoseconds of each candidate; empty when the budget is spent, sizes are unknown, or a
  // candidate refuses made-up data, which is noted. Candidates within 2 % of the fastest count as
  // equally fast. Throws Error(cancelled).
  std::vector<double> times(const Problem& problem, std::span<const Candidate> candidates,
                            NodeReport& report);

  std::size_t timed() const { return timed_; }
  const std::vector<std::string>& notes() const { return notes_; }
  std::size_t cached() const { return cache_.hits(); }
  // Read and write config.timing_cache, if any. A note when that was in vain.
  std::optional<std::string> load_cache();
  std::optional<std::string> save_cache() const;

 private:
  std::vector<TimedCandidate> measure(const Problem& problem,
                                      std::span<const Candidate> candidates);
  std::vector<TimedCandidate> measure_on_device(const Problem& problem,
                                                std::span<const Candidate> candidates);
  std::int64_t time_on_device(Plan plan, std::span<const Tensor> inputs) const;

  const BuildConfig& config_;
  const BuildTarget& target_;
  const SymbolValues& sample_;
  TimingCache cache_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::size_t timed_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// What was measured: for a device and a set of library versions, each Problem's candidates with
// their times. With the same cache a build makes the same choices. A file that is corrupt, of
// another format or of another machine is set aside with a note: never trusted, never fatal.
//
// The file is JSON: `format`, `check` (the hash of the compact text of `devices`), and `devices`:
// device -> problem -> list of [candidate, nanoseconds].
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strop {

// Instead of a time, larger than any: the candidate cannot run here, or is not worth timing; or a
// budget of so many milliseconds left no time for it.
inline constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::max();
std::int64_t cut_off_by(double budget_seconds);
// Whether it was cut off by a smaller budget than that.
bool was_cut_off_before(std::int64_t nanoseconds, double budget_seconds);
bool is_time(std::int64_t nanoseconds);

struct TimedCandidate {
  std::string name;              // Candidate::name()
  std::int64_t nanoseconds = 0;  // minimum of the medians, or what stands for it

  bool operator==(const TimedCandidate&) const = default;
};

class TimingCache {
 public:
  // `device` names processor features and library versions; entries of other devices are kept but
  // not used.
  explicit TimingCache(std::string device) : device_(std::move(device)) {}

  // Nothing when the problem was not timed, or not with all of these candidates.
  const std::vector<TimedCandidate>* find(const std::string& problem,
                                          const std::vector<std::string>& candidates) const;
  void store(const std::string& problem, std::vector<TimedCandidate> times);

  // Adds what the bytes of a file hold; entries that are there already stay. Returns a note when
  // the file, called `name`, was set aside.
  std::optional<std::string> merge(std::span<const std::byte> file, const std::string& name);
  // The contents of a file that holds all of it.
  std::string to_text() const;

  // Adds what the file holds. Returns a note when nothing of it is used: it was set aside, or knows
  // other devices alone. A missing or empty file is no note.
  std::optional<std::string> load(const std::filesystem::path& path);
  // Merges with what the file holds by now and writes it whole or not at all, under a lock: builds
  // that write one cache at once lose nothing. A file that load would set aside is kept beside it,
  // as NAME.set-aside. Returns a note when it cannot be written.
  std::optional<std::string> save(const std::filesystem::path& path) const;

  std::size_t hits() const { return hits_; }
  bool changed() const { return changed_; }

 private:
  using Problems = std::map<std::string, std::vector<TimedCandidate>>;
  std::string device_;
  std::map<std::string, Problems> devices_;
  mutable std::size_t hits_ = 0;
  bool changed_ = false;
};

}  // namespace strop

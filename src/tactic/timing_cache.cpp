// SPDX-License-Identifier: Apache-2.0
#include "tactic/timing_cache.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/os/atomic_file.hpp"
#include "base/os/file_lock.hpp"
#include "base/os/mapped_file.hpp"

namespace strop {
namespace {

constexpr int kFormat = 2;
constexpr std::int64_t kMaxFileBytes = std::int64_t{64} << 20;

// Names of models may be any bytes.
std::string text_of(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string check_of(const nlohmann::json& devices) {
  return hash_bytes(text_of(devices, -1)).hex();
}

bool is_missing_or_empty(const std::filesystem::path& path) {
  std::error_code none;
  const auto size = std::filesystem::file_size(path, none);
  return (none == std::errc::no_such_file_or_directory) || (!none && size == 0);
}

constexpr std::int64_t kLongestBudgetMs = 1'000'000'000;
constexpr std::int64_t kCutOff = kNoTime - 1;  // less the budget

}  // namespace

std::int64_t cut_off_by(double budget_seconds) {
  const double most = static_cast<double>(kLongestBudgetMs);
  return kCutOff - static_cast<std::int64_t>(std::clamp(budget_seconds * 1000, 0.0, most));
}

bool was_cut_off_before(std::int64_t nanoseconds, double budget_seconds) {
  return nanoseconds != kNoTime && !is_time(nanoseconds) &&
         nanoseconds > cut_off_by(budget_seconds);
}

bool is_time(std::int64_t nanoseconds) { return nanoseconds < kCutOff - kLongestBudgetMs; }

const std::vector<TimedCandidate>* TimingCache::find(
    const std::string& problem, const std::vector<std::string>& candidates) const {
  const auto device = devices_.find(device_);
  if (device == devices_.end()) return nullptr;
  const auto entry = device->second.find(problem);
  if (entry == device->second.end()) return nullptr;
  for (const std::string& name : candidates) {
    if (std::ranges::find(entry->second, name, &TimedCandidate::name) == entry->second.end())
      return nullptr;
  }
  ++hits_;
  return &entry->second;
}

void TimingCache::store(const std::string& problem, std::vector<TimedCandidate> times) {
  devices_[device_][problem] = std::move(times);
  changed_ = true;
}

std::optional<std::string> TimingCache::merge(std::span<const std::byte> file,
                                              const std::string& name) {
  const std::string aside = "timing cache " + name + " is set aside: ";
  try {
    const char* text = reinterpret_cast<const char*>(file.data());
    const nlohmann::json root = nlohmann::json::parse(text, text + file.size(), nullptr, false);
    if (root.is_discarded() || !root.is_object()) return aside + "it is not JSON";
    if (root.value("format", 0) != kFormat) return aside + "it has another format";
    std::map<std::string, Problems> read;
    const nlohmann::json& devices = root.at("devices");
    if (root.at("check").get<std::string>() != check_of(devices))
      return aside + "it was changed or damaged";
    for (const auto& [device, problems] : devices.items()) {
      for (const auto& [problem, times] : problems.items()) {
        std::vector<TimedCandidate> list;
        for (const auto& entry : times) {
          const nlohmann::json& time = entry.at(1);
          const std::int64_t ns = time.is_number_integer() ? time.get<std::int64_t>() : 0;
          if (ns <= 0) return aside + "it holds a time that is not positive";
          list.push_back({entry.at(0).get<std::string>(), ns});
        }
        if (list.empty()) return aside + "it holds an entry without candidates";
        read[device][problem] = std::move(list);
      }
    }
    for (auto& [device, problems] : read) devices_[device].merge(problems);
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return aside + "its content is not a timing cache";
  }
}

std::string TimingCache::to_text() const {
  nlohmann::json root;
  root["format"] = kFormat;
  for (const auto& [device, problems] : devices_) {
    nlohmann::json& target = root["devices"][device];
    for (const auto& [problem, times] : problems) {
      nlohmann::json list = nlohmann::json::array();
      for (const TimedCandidate& time : times) list.push_back({time.name, time.nanoseconds});
      target[problem] = std::move(list);
    }
  }
  nlohmann::json& all = root["devices"];
  if (all.is_null()) all = nlohmann::json::object();
  root["check"] = check_of(all);
  return text_of(root, 1) + "\n";
}

std::optional<std::string> TimingCache::load(const std::filesystem::path& path) {
  if (is_missing_or_empty(path)) return std::nullopt;
  try {
    const os::FileView file = os::read_file(path.string(), os::FileAccess::copy, kMaxFileBytes);
    if (auto note = merge(file.bytes(), path.string())) return note;
  } catch (const Error& error) {
    return "timing cache " + path.string() + " is set aside: " + error.diagnostics().front().what;
  }
  if (devices_.empty() || devices_.contains(device_)) return std::nullopt;
  return "timing cache " + path.string() +
         " knows other machines or versions alone: it is added to, nothing of it is used";
}

std::optional<std::string> TimingCache::save(const std::filesystem::path& path) const {
  const os::FileLock lock(path.string());
  TimingCache merged = *this;
  // What stands there keeps out of the way of what was just measured: merge() keeps ours.
  const auto note = merged.load(path);
  try {
    if (note && merged.devices_ == devices_ && !is_missing_or_empty(path)) {
      std::error_code lost;
      std::filesystem::copy_file(path, path.string() + ".set-aside",
                                 std::filesystem::copy_options::overwrite_existing, lost);
    }
    os::write_file(path.string(), merged.to_text());
  } catch (const Error& error) {
    const Diagnostic& first = error.diagnostics().front();
    return "timing cache " + path.string() + " is not written: " + first.what + ", " + first.why;
  }
  return std::nullopt;
}

}  // namespace strop

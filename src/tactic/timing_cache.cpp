// SPDX-License-Identifier: Apache-2.0
#include "tactic/timing_cache.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/os/atomic_file.hpp"
#include "base/os/mapped_file.hpp"

namespace strop {
namespace {

constexpr int kFormat = 1;
constexpr std::int64_t kMaxFileBytes = std::int64_t{64} << 20;

}  // namespace

const std::vector<TimedCandidate>* TimingCache::find(
    const std::string& problem, const std::vector<std::string>& candidates) const {
  const auto device = devices_.find(device_);
  if (device == devices_.end()) return nullptr;
  const auto entry = device->second.find(problem);
  if (entry == device->second.end() || entry->second.size() != candidates.size()) return nullptr;
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
    for (const auto& [device, problems] : root.at("devices").items()) {
      for (const auto& [problem, times] : problems.items()) {
        std::vector<TimedCandidate> list;
        for (const auto& entry : times) {
          list.push_back({entry.at(0).get<std::string>(), entry.at(1).get<std::int64_t>()});
          if (list.back().nanoseconds <= 0) return aside + "it holds a time that is not positive";
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
  if (!root.contains("devices")) root["devices"] = nlohmann::json::object();
  return root.dump(1) + "\n";
}

std::optional<std::string> TimingCache::load(const std::filesystem::path& path) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) return std::nullopt;
  try {
    const os::FileView file = os::read_file(path.string(), os::FileAccess::copy, kMaxFileBytes);
    return merge(file.bytes(), path.string());
  } catch (const Error& error) {
    return "timing cache " + path.string() + " is set aside: " + error.diagnostics().front().what;
  }
}

void TimingCache::save(const std::filesystem::path& path) const {
  TimingCache merged = *this;
  merged.load(path);  // what stands there keeps out of the way of what was just measured: merge()
                      // keeps ours
  os::write_file(path.string(), merged.to_text());
}

}  // namespace strop

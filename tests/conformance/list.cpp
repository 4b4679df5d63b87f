// SPDX-License-Identifier: Apache-2.0
#include "conformance/list.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/error.hpp"

namespace strop::conformance {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, int line, const std::string& why) {
  throw Error(ErrorCode::bad_argument, file.string() + ", line " + std::to_string(line), why);
}

}  // namespace

NotPassedList NotPassedList::read(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw Error(ErrorCode::file_not_found, file.string());
  NotPassedList list;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::size_t colon = line.find(": ");
    std::istringstream head(line.substr(0, colon));
    std::string name, targets, target;
    if (colon == std::string::npos || !(head >> name >> targets) || colon + 2 >= line.size())
      fail(file, number, "it is not NAME TARGETS: REASON");
    Listed entry;
    entry.reason = line.substr(colon + 2);
    if (targets == "random") {
      entry.kind = Listed::random;
      targets = "all";
    }
    std::istringstream words(targets);
    while (std::getline(words, target, ',')) entry.targets.push_back(target);
    if (!list.entries_.emplace(name, std::move(entry)).second)
      fail(file, number, name + " is listed twice");
  }
  return list;
}

const Listed* NotPassedList::find(const std::string& name, std::string_view target) const {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return nullptr;
  const auto& targets = entry->second.targets;
  const bool concerned =
      std::ranges::any_of(targets, [&](const std::string& t) { return t == "all" || t == target; });
  return concerned ? &entry->second : nullptr;
}

std::vector<std::string> NotPassedList::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) out.push_back(name);
  return out;
}

}  // namespace strop::conformance

// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/parameters.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/error.hpp"

namespace strop::cpu {
namespace {

[[noreturn]] void malformed(std::string_view key, std::string_view value) {
  throw Error(ErrorCode::engine_invalid, "kernel parameter " + std::string(key),
              "\"" + std::string(value.substr(0, 60)) + "\" is not a number");
}

template <class T>
T read(std::string_view key, std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) malformed(key, text);
  return value;
}

}  // namespace

Parameters::Parameters(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view entry = text.substr(0, end);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos) {
      throw Error(ErrorCode::engine_invalid, "kernel parameters", "an entry has no '='");
    }
    entries_.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void Parameters::set(std::string_view key, std::string_view value) {
  STROP_CHECK(value.find(';') == std::string_view::npos, "a parameter's value holds no ';'");
  entries_.emplace_back(key, value);
}

void Parameters::set(std::string_view key, std::int64_t value) { set(key, std::to_string(value)); }

void Parameters::set(std::string_view key, double value) { set(key, fmt::format("{}", value)); }

void Parameters::set(std::string_view key, const std::vector<std::int64_t>& values) {
  set(key, fmt::format("{}", fmt::join(values, ",")));
}

std::string Parameters::text() const {
  std::string out;
  for (const auto& [key, value] : entries_) {
    if (!out.empty()) out += ';';
    out += key + "=" + value;
  }
  return out;
}

const std::string* Parameters::find(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool Parameters::has(std::string_view key) const { return find(key) != nullptr; }

const std::string& Parameters::string(std::string_view key) const {
  const std::string* value = find(key);
  if (value == nullptr) {
    throw Error(ErrorCode::engine_invalid, "kernel parameter " + std::string(key), "it is missing");
  }
  return *value;
}

std::int64_t Parameters::integer(std::string_view key) const {
  return read<std::int64_t>(key, string(key));
}

double Parameters::number(std::string_view key) const { return read<double>(key, string(key)); }

std::vector<std::int64_t> Parameters::integers(std::string_view key) const {
  std::string_view text = string(key);
  std::vector<std::int64_t> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    out.push_back(read<std::int64_t>(key, text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace strop::cpu

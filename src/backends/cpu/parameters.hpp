// SPDX-License-Identifier: Apache-2.0
// Parameters of a CPU kernel as tactics write them and kernels read them: "key=value;key=value",
// lists with commas. They also come from engine files, so reading checks: a missing key or a
// malformed number is Error(engine_invalid).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strop::cpu {

class Parameters {
 public:
  Parameters() = default;
  explicit Parameters(std::string_view text);

  void set(std::string_view key, std::string_view value);
  void set(std::string_view key, std::int64_t value);
  void set(std::string_view key, double value);  // reads back to the same bits
  void set(std::string_view key, const std::vector<std::int64_t>& values);
  std::string text() const;

  bool has(std::string_view key) const;
  const std::string& string(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;

 private:
  const std::string* find(std::string_view key) const;
  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace strop::cpu

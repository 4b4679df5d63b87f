// SPDX-License-Identifier: Apache-2.0
#include "builder/build_options.hpp"

#include <charconv>

#include "base/error.hpp"

namespace strop {

std::vector<std::string> split_list(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

void add_wanted_shape(std::string_view text, WantedShapes& shapes) {
  const auto fail = [&](std::string why) {
    throw Error(ErrorCode::bad_option, "--shapes " + std::string(text), std::move(why),
                "write NAME=1x3x224x224 or NAME=MIN:OPT:MAX, NAME= for a scalar");
  };
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) fail("it names no input");
  std::vector<std::string> points = split_list(text.substr(equals + 1), ':');
  if (points.empty() && equals + 1 == text.size()) points.emplace_back();  // a scalar
  if (points.size() != 1 && points.size() != 3)
    fail("it has " + std::to_string(points.size()) + " shapes");
  std::vector<Shape> read;
  for (const std::string& point : points) {
    Shape& shape = read.emplace_back();
    for (const std::string& size : split_list(point, 'x')) {
      if (size == "?") {
        shape.push_back(-1);
        continue;
      }
      std::int64_t value = -1;
      const auto [end, status] = std::from_chars(size.data(), size.data() + size.size(), value);
      if (status != std::errc() || end != size.data() + size.size() || value < 0)
        fail("\"" + size + "\" is no size");
      shape.push_back(value);
    }
    if (shape.size() != read.front().size()) fail("its shapes have different ranks");
  }
  if (read.size() == 3) {
    for (std::size_t i = 0; i < read[0].size(); ++i) {
      if (read[0][i] > read[1][i] || read[1][i] > read[2][i])
        fail("it is not in order MIN, OPT, MAX");
    }
  }
  shapes[std::string(text.substr(0, equals))] = read.size() == 3 ? read[1] : read[0];
}

}  // namespace strop

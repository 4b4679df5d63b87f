// SPDX-License-Identifier: Apache-2.0
#include "text_line.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <stdexcept>

namespace {

// The model was trained with lines of at least this width.
constexpr std::int64_t kLeastWidth = 320;
constexpr std::int64_t kMostWidth = 8192;

// Position and weight of the two pixels between which a pixel of the resized picture lies; pixel
// centres are at halves.
struct Blend {
  int low, high;
  double share;  // of `high`
};

Blend blend_at(std::int64_t index, double scale, int size) {
  const double position =
      std::clamp((static_cast<double>(index) + 0.5) * scale - 0.5, 0.0, size - 1.0);
  const int low = static_cast<int>(position);
  return {low, std::min(low + 1, size - 1), position - low};
}

}  // namespace

LineTensor make_line_tensor(const Picture& picture) {
  const double aspect = static_cast<double>(picture.width) / picture.height;
  const auto width =
      static_cast<std::int64_t>(std::ceil(static_cast<double>(kLineHeight) * aspect));
  if (width > kMostWidth) throw std::runtime_error("the picture is too long for one line of text");
  LineTensor line;
  line.width = std::max(width, kLeastWidth);
  line.values.resize(static_cast<std::size_t>(3 * kLineHeight * line.width));
  const double scale_x = static_cast<double>(picture.width) / static_cast<double>(width);
  const double scale_y = static_cast<double>(picture.height) / static_cast<double>(kLineHeight);
  for (int channel = 0; channel < 3; ++channel) {
    for (std::int64_t row = 0; row < kLineHeight; ++row) {
      const Blend y = blend_at(row, scale_y, picture.height);
      float* out = line.values.data() + (channel * kLineHeight + row) * line.width;
      for (std::int64_t column = 0; column < width; ++column) {
        const Blend x = blend_at(column, scale_x, picture.width);
        const double above = std::lerp(picture.at(x.low, y.low, channel),
                                       picture.at(x.high, y.low, channel), x.share);
        const double below = std::lerp(picture.at(x.low, y.high, channel),
                                       picture.at(x.high, y.high, channel), x.share);
        out[column] = static_cast<float>(std::lerp(above, below, y.share) / 127.5 - 1);
      }
    }
  }
  return line;
}

std::vector<std::string> read_characters(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<std::string> characters;
  for (std::string line; std::getline(file, line);) characters.push_back(line);
  return characters;
}

Text decode_text(std::span<const float> scores, std::int64_t columns,
                 const std::vector<std::string>& characters) {
  const std::size_t classes = characters.size() + 2;
  if (columns < 0 || scores.size() != static_cast<std::size_t>(columns) * classes) {
    throw std::runtime_error("the model gives " + std::to_string(scores.size()) + " scores for " +
                             std::to_string(columns) + " columns: the file of characters, with " +
                             std::to_string(characters.size()) + " of them, is not the model's");
  }
  Text text;
  std::size_t previous = 0;
  std::size_t count = 0;
  for (std::int64_t column = 0; column < columns; ++column) {
    const auto row = scores.subspan(static_cast<std::size_t>(column) * classes, classes);
    const auto best = static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
    if (best != 0 && best != previous) {
      text.text += best <= characters.size() ? characters[best - 1] : " ";
      text.confidence += static_cast<double>(row[best]);
      ++count;
    }
    previous = best;
  }
  if (count > 0) text.confidence /= static_cast<double>(count);
  return text;
}

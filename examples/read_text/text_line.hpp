// SPDX-License-Identifier: Apache-2.0
// What surrounds the PP-OCRv4 recogniser: the tensor it wants, and the text its scores mean.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "picture.hpp"

inline constexpr std::int64_t kLineHeight = 48;

// f32[1,3,48,width], blue-green-red planes. The picture keeps its aspect; values are x / 127.5 - 1,
// and what is right of a short line is 0.
struct LineTensor {
  std::int64_t width = 0;
  std::vector<float> values;
};
LineTensor make_line_tensor(const Picture& picture);

// A character a line, without the blank and the space that the model adds. Throws
// std::runtime_error.
std::vector<std::string> read_characters(const std::string& path);

struct Text {
  std::string text;       // UTF-8
  double confidence = 0;  // mean score of the characters
};
// Greedy CTC: the best class of every column, repetitions merged, blanks (class 0) dropped.
// `scores` has `columns` rows of characters.size() + 2 classes: blank, the characters, space.
// Throws std::runtime_error if it has not.
Text decode_text(std::span<const float> scores, std::int64_t columns,
                 const std::vector<std::string>& characters);

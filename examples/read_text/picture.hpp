// SPDX-License-Identifier: Apache-2.0
// Pictures from PNG files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Rows of pixels, three bytes each: blue, green, red.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;

  double at(int x, int y, int channel) const {
    return pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                   static_cast<std::size_t>(x)) *
                      3 +
                  static_cast<std::size_t>(channel)];
  }
};

// Any PNG; what is transparent becomes white. Throws std::runtime_error naming the file.
Picture read_png(const std::string& path);

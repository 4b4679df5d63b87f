// SPDX-License-Identifier: Apache-2.0
// A JPEG file (ITU-T T.81), baseline or progressive, 8 bits: from its bytes to coefficients, and
// from these to pixels.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ops/picture_support.hpp"

namespace strop {

struct JpegComponent {
  int id = 0;
  int across = 1, down = 1;               // samples, of those of the finest component
  int quantizer = 0;                      // which table
  std::int64_t width = 0, height = 0;     // in samples
  std::int64_t columns = 0, rows = 0;     // in blocks, whole units of all components
  std::array<std::uint16_t, 64> steps{};  // of the quantizer, in natural order
  bool scanned = false;
  std::vector<std::int16_t> coefficients{};  // [rows, columns, 64], in natural order
};

struct JpegImage {
  std::int64_t width = 0, height = 0;
  int most_across = 1, most_down = 1;
  std::vector<JpegComponent> components{};
  bool jfif = false;
  int adobe_transform = -1;  // -1: not told
};

// Throws DamagedPicture, and Error as decode_picture.
JpegImage read_jpeg(const PictureFile& file);
Picture render_jpeg(const JpegImage& image);

}  // namespace strop

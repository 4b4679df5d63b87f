// SPDX-License-Identifier: Apache-2.0
#include "picture.hpp"

#include <png.h>

#include <memory>
#include <stdexcept>

Picture read_png(const std::string& path) {
  constexpr std::uint64_t kMaxPixels = 100'000'000;  // a small file can claim to be large
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_image*)> release(&image, png_image_free);
  if (png_image_begin_read_from_file(&image, path.c_str()) == 0)
    throw std::runtime_error(path + ": " + image.message);
  if (std::uint64_t{image.width} * image.height > kMaxPixels)
    throw std::runtime_error(path + ": the picture has more than 100 million pixels");
  image.format = PNG_FORMAT_BGR;
  Picture picture;
  picture.width = static_cast<int>(image.width);
  picture.height = static_cast<int>(image.height);
  picture.pixels.resize(PNG_IMAGE_SIZE(image));
  png_color white{255, 255, 255};
  if (png_image_finish_read(&image, &white, picture.pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(path + ": " + image.message);
  return picture;
}

// SPDX-License-Identifier: Apache-2.0
// Any bytes as an image file: a picture of the size it says, none, or an Error.
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "base/error.hpp"
#include "ops/picture_support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto picture = strop::decode_picture(
        {.bytes = bytes, .most_pixel_bytes = 1 << 24, .check_sums = size % 2 == 0});
    if (!picture) return 0;
    const std::int64_t pixels = picture->height * picture->width;
    if (pixels <= 0 || static_cast<std::int64_t>(picture->pixels.size()) != 3 * pixels) {
      std::cerr << "a picture of another size than it says\n";
      std::abort();
    }
  } catch (const strop::Error& error) {
    if (error.code() != strop::ErrorCode::unsupported_operator &&
        error.code() != strop::ErrorCode::limit_exceeded) {
      std::cerr << error.message() << "\n";
      std::abort();
    }
  }
  return 0;
}

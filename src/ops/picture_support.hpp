// SPDX-License-Identifier: Apache-2.0
// Pictures from the bytes of an image file, as red, green and blue. What is read takes memory that
// is bounded by a multiple of the file's size: a small file that claims a large picture is refused
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strop {

struct Picture {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint8_t> pixels{};  // [height, width, 3]
};

enum class PictureFormat : std::uint8_t { unknown, jpeg, png, bmp, pnm, tiff, webp, jpeg2000, gif };

struct PictureFile {
  std::span<const std::byte> bytes;
  std::int64_t most_pixel_bytes = 0;  // that the picture may take, at 3 a pixel; 0: no limit
  bool check_sums = true;             // false: for tests that change bytes at random
};

// By its first bytes.
PictureFormat picture_format(std::span<const std::byte> bytes);
const char* to_string(PictureFormat format);

// Nothing for a file that is damaged or of no known format. Throws Error(unsupported_operator)
// naming the format or what of it is not read, Error(limit_exceeded) for claims that the file
// cannot hold or that pass the limit.
std::optional<Picture> decode_picture(const PictureFile& file);

// The formats by themselves, with the same results. JPEG is decoded to the bit as libjpeg does with
// its accurate transform and its "fancy" upsampling, which the standard asks for.
std::optional<Picture> decode_jpeg(const PictureFile& file);
std::optional<Picture> decode_png(const PictureFile& file);
std::optional<Picture> decode_bmp(const PictureFile& file);
std::optional<Picture> decode_pnm(const PictureFile& file);

// What decoders throw within when a file is damaged; none of it leaves them.
struct DamagedPicture {};

[[noreturn]] void refuse_picture(const std::string& what);
// `needed`: bytes that a file of this picture has at least. Throws DamagedPicture where the file
// has less, and for large pictures, or ones that pass the limit, Error(limit_exceeded).
void check_claim(std::int64_t height, std::int64_t width, std::int64_t needed,
                 const PictureFile& file);

}  // namespace strop

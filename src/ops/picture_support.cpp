// SPDX-License-Identifier: Apache-2.0
#include "ops/picture_support.hpp"

#include <algorithm>
#include <string_view>

#include "base/error.hpp"
#include "base/shape.hpp"

namespace strop {

PictureFormat picture_format(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 16));
  const auto at = [&](std::size_t i, std::string_view part) {
    return text.size() >= i + part.size() && text.substr(i, part.size()) == part;
  };
  if (at(0, "\xff\xd8\xff")) return PictureFormat::jpeg;
  if (at(0, "\x89PNG\r\n\x1a\n")) return PictureFormat::png;
  if (at(0, "BM")) return PictureFormat::bmp;
  if (text.size() >= 3 && text[0] == 'P' && text[1] >= '1' && text[1] <= '6') {
    return PictureFormat::pnm;
  }
  if (at(0, std::string_view("II*\0", 4)) || at(0, std::string_view("MM\0*", 4))) {
    return PictureFormat::tiff;
  }
  if (at(0, "RIFF") && at(8, "WEBP")) return PictureFormat::webp;
  if (at(4, "jP  \r\n\x87\n") || at(0, "\xff\x4f\xff\x51")) return PictureFormat::jpeg2000;
  if (at(0, "GIF8")) return PictureFormat::gif;
  return PictureFormat::unknown;
}

const char* to_string(PictureFormat format) {
  static constexpr const char* kNames[] = {"unknown", "JPEG", "PNG",       "BMP", "PNM",
                                           "TIFF",    "WebP", "JPEG 2000", "GIF"};
  return kNames[static_cast<std::size_t>(format)];
}

void refuse_picture(const std::string& what) {
  throw Error(ErrorCode::unsupported_operator, "a picture of the format " + what,
              "it is not supported",
              "give JPEG, PNG, BMP or PNM, or decode the picture before the model");
}

// What is less may just be cut off.
constexpr std::int64_t kLargeClaim = std::int64_t{1} << 26;

void check_claim(std::int64_t height, std::int64_t width, std::int64_t needed,
                 const PictureFile& file) {
  const std::string what =
      "a picture that claims " + std::to_string(width) + " x " + std::to_string(height) + " pixels";
  const auto pixels = try_mul(height, width);
  const auto pixel_bytes = pixels ? try_mul(*pixels, 3) : std::nullopt;
  if (needed > static_cast<std::int64_t>(file.bytes.size())) {
    if (pixel_bytes && *pixel_bytes < kLargeClaim) throw DamagedPicture{};
    throw Error(ErrorCode::limit_exceeded, what,
                "its file has " + std::to_string(file.bytes.size()) + " bytes, and would have " +
                    std::to_string(needed) + " at least",
                "it is damaged, or made to exhaust memory");
  }
  if (pixel_bytes && (file.most_pixel_bytes == 0 || *pixel_bytes <= file.most_pixel_bytes)) return;
  throw Error(ErrorCode::limit_exceeded, what,
              "the limit for one tensor is " + std::to_string(file.most_pixel_bytes) + " bytes",
              "raise RunLimits::tensor_bytes if the picture is trusted");
}

std::optional<Picture> decode_picture(const PictureFile& file) {
  const PictureFormat format = picture_format(file.bytes);
  switch (format) {
    case PictureFormat::unknown:
      return std::nullopt;
    case PictureFormat::jpeg:
      return decode_jpeg(file);
    case PictureFormat::png:
      return decode_png(file);
    case PictureFormat::bmp:
      return decode_bmp(file);
    case PictureFormat::pnm:
      return decode_pnm(file);
    default:
      refuse_picture(to_string(format));
  }
}

}  // namespace strop

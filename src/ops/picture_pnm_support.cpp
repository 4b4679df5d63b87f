// SPDX-License-Identifier: Apache-2.0
// PBM, PGM and PPM: P1 to P3 written as text, P4 to P6 as bytes.
#include <algorithm>

#include "base/shape.hpp"
#include "ops/picture_support.hpp"

namespace strop {
namespace {

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : file_(bytes) {}

  bool at_end() const { return at_ >= file_.size(); }
  std::uint8_t byte() {
    if (at_end()) throw DamagedPicture{};
    return static_cast<std::uint8_t>(file_[at_++]);
  }
  // The next number, after white space and comments.
  std::int64_t number() {
    skip();
    std::int64_t value = 0;
    bool any = false;
    for (; !at_end() && digit() >= 0; ++at_, any = true) {
      value = 10 * value + digit();
      if (value > std::int64_t{1} << 31) throw DamagedPicture{};
    }
    if (!any) throw DamagedPicture{};
    return value;
  }
  // A pixel of P1: digits need nothing between them.
  std::int64_t bit() {
    skip();
    if (at_end() || digit() < 0 || digit() > 1) throw DamagedPicture{};
    const int value = digit();
    ++at_;
    return value;
  }

 private:
  int digit() const {
    const auto c = static_cast<char>(file_[at_]);
    return c >= '0' && c <= '9' ? c - '0' : -1;
  }
  void skip() {
    while (!at_end()) {
      const auto c = static_cast<char>(file_[at_]);
      if (c == '#') {
        while (!at_end() && static_cast<char>(file_[at_]) != '\n') ++at_;
      } else if (c != ' ' && c != '\t' && c != '\n' && c != '\v' && c != '\f' && c != '\r') {
        return;
      } else {
        ++at_;
      }
    }
  }

  std::span<const std::byte> file_;
  std::size_t at_ = 2;  // after the magic
};

Picture decode(const PictureFile& file) {
  const int kind = static_cast<char>(file.bytes[1]) - '0';
  const bool text = kind <= 3, bits = kind == 1 || kind == 4, colour = kind == 3 || kind == 6;
  Reader in(file.bytes);
  Picture out;
  out.width = in.number();
  out.height = in.number();
  const std::int64_t most = bits ? 1 : in.number();
  if (out.width == 0 || out.height == 0 || most == 0 || most > 65'535) throw DamagedPicture{};
  const std::int64_t samples = colour ? 3 : 1;
  const std::int64_t row_bytes = kind == 4 ? (out.width + 7) / 8
                                 : text    ? out.width * samples
                                           : out.width * samples * (most > 255 ? 2 : 1);
  const auto needed = try_mul(row_bytes, out.height);
  check_claim(out.height, out.width, needed.value_or(INT64_MAX), file);
  if (!text) in.byte();  // one white space ends the head
  out.pixels.resize(static_cast<std::size_t>(out.height * out.width * 3));
  std::uint8_t* pixel = out.pixels.data();
  const auto sample = [&]() -> std::uint8_t {
    std::int64_t value = text ? in.number() : in.byte();
    if (!text && most > 255) value = 256 * value + in.byte();
    return static_cast<std::uint8_t>((std::min(value, most) * 255 + most / 2) / most);
  };
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t packed = 0;
    for (std::int64_t x = 0; x < out.width; ++x, pixel += 3) {
      if (kind == 4 && x % 8 == 0) packed = in.byte();
      if (bits) {  // 1 is black
        const bool black = kind == 1 ? in.bit() == 1 : (packed >> (7 - x % 8) & 1) == 1;
        std::fill_n(pixel, 3, static_cast<std::uint8_t>(black ? 0 : 255));
      } else if (colour) {
        for (int i = 0; i < 3; ++i) pixel[i] = sample();
      } else {
        std::fill_n(pixel, 3, sample());
      }
    }
  }
  return out;
}

}  // namespace

std::optional<Picture> decode_pnm(const PictureFile& file) {
  try {
    return decode(file);
  } catch (const DamagedPicture&) {
    return std::nullopt;
  }
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
// BMP: palettes of 1, 4 and 8 bits, 16, 24 and 32 bits with or without masks, from the bottom up or
// from the top down. Transparency is left out.
#include <array>
#include <bit>

#include "base/shape.hpp"
#include "ops/picture_support.hpp"

namespace strop {
namespace {

void require(bool condition) {
  if (!condition) throw DamagedPicture{};
}

class Parser {
 public:
  explicit Parser(const PictureFile& file) : file_(file), bytes_(file.bytes) {}

  Picture parse() {
    const std::int64_t pixels_at = number(10, 4), head = number(14, 4);
    read_head(head);
    const bool up = out_.height > 0;
    if (!up) out_.height = -out_.height;
    require(out_.width > 0 && out_.height > 0);
    const std::int64_t stride = (out_.width * bits_ + 31) / 32 * 4;
    const auto all = try_mul(stride, out_.height);
    const auto end = all ? try_add(*all, pixels_at) : std::nullopt;
    check_claim(out_.height, out_.width, end.value_or(INT64_MAX), file_);
    out_.pixels.resize(static_cast<std::size_t>(out_.height * out_.width * 3));
    std::uint8_t* to = out_.pixels.data();
    for (std::int64_t y = 0; y < out_.height; ++y) {
      const std::int64_t row = pixels_at + (up ? out_.height - 1 - y : y) * stride;
      for (std::int64_t x = 0; x < out_.width; ++x, to += 3) write(row, x, to);
    }
    return std::move(out_);
  }

 private:
  std::int64_t number(std::int64_t at, int count) const {
    require(at >= 0 && at + count <= static_cast<std::int64_t>(bytes_.size()));
    std::uint32_t value = 0;
    for (int i = count; i-- > 0;) {
      value = value << 8 | static_cast<std::uint32_t>(bytes_[static_cast<std::size_t>(at + i)]);
    }
    return value;
  }

  void read_head(std::int64_t head) {
    const bool old = head == 12;
    require(old || head >= 40);
    out_.width = old ? number(18, 2) : static_cast<std::int32_t>(number(18, 4));
    out_.height = old ? number(20, 2) : static_cast<std::int32_t>(number(22, 4));
    bits_ = number(old ? 24 : 28, 2);
    require(bits_ == 1 || bits_ == 4 || bits_ == 8 || bits_ == 16 || bits_ == 24 || bits_ == 32);
    const std::int64_t packing = old ? 0 : number(30, 4);
    if (packing == 1 || packing == 2) refuse_picture("BMP (run-length encoding)");
    if (packing == 4 || packing == 5) refuse_picture("BMP (with JPEG or PNG inside)");
    require(packing == 0 || ((packing == 3 || packing == 6) && bits_ >= 16));
    if (packing != 0) {  // masks follow the short head, or are part of a longer one
      for (std::size_t i = 0; i < 3; ++i) {
        masks_[i] = static_cast<std::uint32_t>(number(54 + 4 * static_cast<std::int64_t>(i), 4));
      }
    } else if (bits_ == 16) {
      masks_ = {0x7c00, 0x3e0, 0x1f};
    }
    palette_at_ = 14 + head;
    entry_bytes_ = old ? 3 : 4;
    entries_ = std::int64_t{1} << (bits_ <= 8 ? bits_ : 0);
    if (!old && number(46, 4) != 0 && number(46, 4) < entries_) entries_ = number(46, 4);
  }

  void write(std::int64_t row, std::int64_t x, std::uint8_t* to) const {
    if (bits_ <= 8) {
      const std::int64_t bit = x * bits_;
      const std::int64_t value =
          number(row + bit / 8, 1) >> (8 - bits_ - bit % 8) & ((1 << bits_) - 1);
      require(value < entries_);
      return write_bgr(palette_at_ + value * entry_bytes_, to);
    }
    if (bits_ == 24 || masks_ == kBytes) return write_bgr(row + x * bits_ / 8, to);
    const auto value =
        static_cast<std::uint32_t>(number(row + x * bits_ / 8, static_cast<int>(bits_ / 8)));
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint64_t most = masks_[i] >> (masks_[i] != 0 ? std::countr_zero(masks_[i]) : 0);
      const std::uint64_t part =
          (value & masks_[i]) >> (masks_[i] != 0 ? std::countr_zero(masks_[i]) : 0);
      to[i] = static_cast<std::uint8_t>(most == 0 ? 0 : (part * 255 + most / 2) / most);
    }
  }

  void write_bgr(std::int64_t at, std::uint8_t* to) const {
    for (int i = 0; i < 3; ++i) to[i] = static_cast<std::uint8_t>(number(at + 2 - i, 1));
  }

  static constexpr std::array<std::uint32_t, 3> kBytes = {0xff0000, 0xff00, 0xff};

  const PictureFile& file_;
  std::span<const std::byte> bytes_;
  Picture out_;
  std::int64_t bits_ = 24, palette_at_ = 0, entry_bytes_ = 4, entries_ = 0;
  std::array<std::uint32_t, 3> masks_ = kBytes;  // of red, green and blue
};

}  // namespace

std::optional<Picture> decode_bmp(const PictureFile& file) {
  try {
    return Parser(file).parse();
  } catch (const DamagedPicture&) {
    return std::nullopt;
  }
}

}  // namespace strop

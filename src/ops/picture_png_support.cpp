// SPDX-License-Identifier: Apache-2.0
// PNG (ISO/IEC 15948). Transparency is left out, 16 bits become 8.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/shape.hpp"
#include "ops/inflate_support.hpp"
#include "ops/picture_support.hpp"

namespace strop {
namespace {

void require(bool condition) {
  if (!condition) throw DamagedPicture{};
}

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<std::uint32_t>(bytes[at + i]);
  }
  return value;
}

std::uint32_t crc_of(std::span<const std::byte> bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? 0xedb88320u : 0);
      out[i] = value;
    }
    return out;
  }();
  std::uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

// A part of the picture that is stored by itself: every `step`th pixel from `first` on.
struct Pass {
  std::int64_t first_x, first_y, step_x, step_y;
};
constexpr Pass kWhole[] = {{0, 0, 1, 1}};
constexpr Pass kInterlaced[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

std::int64_t pixels_of(std::int64_t size, std::int64_t first, std::int64_t step) {
  return size > first ? (size - first + step - 1) / step : 0;
}

class Parser {
 public:
  explicit Parser(const PictureFile& file) : file_(file), bytes_(file.bytes) {}

  Picture parse() {
    bool first = true, ended = false;
    for (std::size_t at = 8; !ended; first = false) {
      require(bytes_.size() - at >= 12);
      const std::size_t length = big_endian(bytes_, at);
      require(length <= bytes_.size() - at - 12);
      const std::uint32_t kind = big_endian(bytes_, at + 4);
      const bool critical = (kind >> 24 & 32) == 0;
      if (critical && file_.check_sums) {
        require(crc_of(bytes_.subspan(at + 4, length + 4)) == big_endian(bytes_, at + 8 + length));
      }
      require(first == (kind == 0x49484452));
      ended = chunk(kind, critical, bytes_.subspan(at + 8, length));
      at += length + 12;
    }
    return unpack();
  }

 private:
  // True after the last chunk.
  bool chunk(std::uint32_t kind, bool critical, std::span<const std::byte> data) {
    switch (kind) {
      case 0x49484452:  // IHDR
        head(data);
        return false;
      case 0x504c5445:  // PLTE
        require(data.size() % 3 == 0 && data.size() <= 768);
        palette_ = data;
        return false;
      case 0x49444154:  // IDAT
        packed_.insert(packed_.end(), data.begin(), data.end());
        return false;
      case 0x49454e44:  // IEND
        return true;
      default:
        require(!critical);
        return false;
    }
  }

  void head(std::span<const std::byte> data) {
    require(data.size() == 13);
    out_.width = big_endian(data, 0);
    out_.height = big_endian(data, 4);
    depth_ = static_cast<int>(data[8]);
    colour_ = static_cast<int>(data[9]);
    const int interlaced = static_cast<int>(data[12]);
    require(out_.width > 0 && out_.height > 0 && interlaced <= 1);
    require(static_cast<int>(data[10]) == 0 && static_cast<int>(data[11]) == 0);
    switch (colour_) {
      case 0:
        require(depth_ == 1 || depth_ == 2 || depth_ == 4 || depth_ == 8 || depth_ == 16);
        break;
      case 3:
        require(depth_ == 1 || depth_ == 2 || depth_ == 4 || depth_ == 8);
        break;
      default:
        require((colour_ == 2 || colour_ == 4 || colour_ == 6) && (depth_ == 8 || depth_ == 16));
    }
    samples_ = colour_ == 2 ? 3 : colour_ == 4 ? 2 : colour_ == 6 ? 4 : 1;
    if (interlaced == 1) passes_ = kInterlaced;
    // Deflate packs 258 bytes into two bits at best.
    const auto all = try_mul(row_bytes(out_.width), out_.height);
    check_claim(out_.height, out_.width, all ? *all / 1032 : INT64_MAX, file_);
  }

  std::int64_t row_bytes(std::int64_t pixels) const { return (pixels * samples_ * depth_ + 7) / 8; }

  Picture unpack() {
    std::int64_t size = 0;  // of all rows, each after a byte that says how it is filtered
    for (const Pass& pass : passes_) {
      const std::int64_t columns = pixels_of(out_.width, pass.first_x, pass.step_x);
      if (columns == 0) continue;
      size += (1 + row_bytes(columns)) * pixels_of(out_.height, pass.first_y, pass.step_y);
    }
    std::vector<std::uint8_t> raw;
    require(inflate(packed_, static_cast<std::size_t>(size), file_.check_sums, raw));
    out_.pixels.resize(static_cast<std::size_t>(out_.height * out_.width * 3));
    std::uint8_t* at = raw.data();
    for (const Pass& pass : passes_) {
      const std::int64_t columns = pixels_of(out_.width, pass.first_x, pass.step_x);
      if (columns == 0) continue;
      const std::int64_t rows = pixels_of(out_.height, pass.first_y, pass.step_y);
      const std::int64_t bytes = row_bytes(columns);
      const std::uint8_t* above = nullptr;
      for (std::int64_t row = 0; row < rows; ++row, at += 1 + bytes) {
        unfilter(at[0], at + 1, above, bytes);
        above = at + 1;
        std::uint8_t* to = out_.pixels.data() +
                           ((pass.first_y + row * pass.step_y) * out_.width + pass.first_x) * 3;
        for (std::int64_t x = 0; x < columns; ++x) write(above, x, to + x * pass.step_x * 3);
      }
    }
    return std::move(out_);
  }

  // What was subtracted is added: of bytes to the left, above, and above to the left.
  void unfilter(int filter, std::uint8_t* row, const std::uint8_t* above,
                std::int64_t bytes) const {
    require(filter <= 4);
    const std::int64_t apart = std::max<std::int64_t>(1, samples_ * depth_ / 8);
    for (std::int64_t i = 0; i < bytes; ++i) {
      const int left = i >= apart ? row[i - apart] : 0;
      const int up = above != nullptr ? above[i] : 0;
      const int corner = above != nullptr && i >= apart ? above[i - apart] : 0;
      int guess = 0;
      if (filter == 1) {
        guess = left;
      } else if (filter == 2) {
        guess = up;
      } else if (filter == 3) {
        guess = (left + up) / 2;
      } else if (filter == 4) {  // whichever is nearest to left + up - corner
        const int to_left = std::abs(up - corner), to_up = std::abs(left - corner);
        const int to_corner = std::abs(left + up - 2 * corner);
        guess = to_left <= to_up && to_left <= to_corner ? left : to_up <= to_corner ? up : corner;
      }
      row[i] = static_cast<std::uint8_t>(row[i] + guess);
    }
  }

  // Sample `i` of a row, in its own depth; of 16 bits the upper 8.
  int sample(const std::uint8_t* row, std::int64_t i) const {
    if (depth_ == 16) return row[2 * i];
    if (depth_ == 8) return row[i];
    const std::int64_t bit = i * depth_;
    return row[bit / 8] >> (8 - depth_ - bit % 8) & ((1 << depth_) - 1);
  }

  void write(const std::uint8_t* row, std::int64_t x, std::uint8_t* to) const {
    if (colour_ == 2 || colour_ == 6) {
      for (int i = 0; i < 3; ++i) to[i] = static_cast<std::uint8_t>(sample(row, x * samples_ + i));
      return;
    }
    const int value = sample(row, x * samples_);
    if (colour_ == 3) {
      const auto entry = static_cast<std::size_t>(value) * 3;
      for (std::size_t i = 0; i < 3; ++i) {  // what the palette does not have is black
        to[i] = entry + 2 < palette_.size() ? static_cast<std::uint8_t>(palette_[entry + i])
                                            : std::uint8_t{0};
      }
      return;
    }
    const int most = depth_ >= 8 ? 255 : (1 << depth_) - 1;
    std::fill_n(to, 3, static_cast<std::uint8_t>(value * (255 / most)));
  }

  const PictureFile& file_;
  std::span<const std::byte> bytes_;
  Picture out_;
  int depth_ = 8, colour_ = 2, samples_ = 3;
  std::span<const Pass> passes_ = kWhole;
  std::span<const std::byte> palette_;
  std::vector<std::byte> packed_;
};

}  // namespace

std::optional<Picture> decode_png(const PictureFile& file) {
  try {
    return Parser(file).parse();
  } catch (const DamagedPicture&) {
    return std::nullopt;
  }
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ops/picture_jpeg_support.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/shape.hpp"

namespace strop {
namespace {

constexpr int kMostScans = 500;  // each may go over all blocks for a few bytes

// Place in a block of the coefficient that is number i in the file.
constexpr std::array<std::uint8_t, 64> kZigzag = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

void require(bool condition) {
  if (!condition) throw DamagedPicture{};
}

// Bits of entropy-coded data, up to the next marker. Bits beyond it are zeros, and may be looked at
// but not taken.
class BitReader {
 public:
  BitReader(std::span<const std::byte> file, std::size_t at) : file_(file), at_(at) {}

  std::uint32_t peek(int bits) {
    fill(bits);
    return static_cast<std::uint32_t>(bits_ >> (count_ - bits)) & ((1u << bits) - 1);
  }
  void skip(int bits) {
    count_ -= bits;
    require(count_ >= padding_);
  }
  std::uint32_t take(int bits) {
    const std::uint32_t value = peek(bits);
    skip(bits);
    return value;
  }
  // A number of so many bits, as T.81 codes it.
  std::int32_t take_signed(int bits) {
    if (bits == 0) return 0;
    const auto value = static_cast<std::int32_t>(take(bits));
    return value < 1 << (bits - 1) ? value - (1 << bits) + 1 : value;
  }
  // After a restart interval: past the marker that ends it.
  void restart(int number) {
    bits_ = 0;
    count_ = padding_ = 0;
    while (at_ + 1 < file_.size() && byte(at_) == 0xff && byte(at_ + 1) == 0xff) ++at_;
    require(at_ + 1 < file_.size() && byte(at_) == 0xff &&
            byte(at_ + 1) == 0xd0u + static_cast<unsigned>(number));
    at_ += 2;
  }
  // Where the marker is that ended the data, or would.
  std::size_t position() const { return at_; }

 private:
  std::uint32_t byte(std::size_t i) const { return static_cast<std::uint32_t>(file_[i]); }
  void fill(int bits) {
    while (count_ < bits) {
      std::uint32_t next = 0;
      if (at_ < file_.size() && byte(at_) != 0xff) {
        next = byte(at_++);
      } else if (at_ + 1 < file_.size() && byte(at_ + 1) == 0) {
        next = 0xff;
        at_ += 2;
      } else {
        padding_ += 8;
      }
      bits_ = bits_ << 8 | next;
      count_ += 8;
    }
  }

  std::span<const std::byte> file_;
  std::size_t at_;
  std::uint64_t bits_ = 0;
  int count_ = 0, padding_ = 0;  // bits that are held, and how many of them are no data
};

class HuffmanTable {
 public:
  HuffmanTable(const std::array<int, 16>& counts, std::vector<std::uint8_t> symbols)
      : symbols_(std::move(symbols)) {
    std::int32_t code = 0, index = 0;
    for (std::size_t length = 1; length <= 16; ++length) {
      first_[length] = index - code;
      for (int i = 0; i < counts[length - 1]; ++i, ++code, ++index) {
        require(code < 1 << length);
        if (length > 8) continue;
        const std::size_t begin = static_cast<std::size_t>(code) << (8 - length);
        const auto entry =
            static_cast<std::uint16_t>(length << 8 | symbols_[static_cast<std::size_t>(index)]);
        std::fill_n(quick_.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::size_t{1} << (8 - length), entry);
      }
      end_[length] = code;  // codes of this length are below
      code *= 2;
    }
  }

  int decode(BitReader& bits) const {
    const std::uint16_t entry = quick_[bits.peek(8)];
    if (entry != 0) {
      bits.skip(entry >> 8);
      return entry & 0xff;
    }
    const auto code = static_cast<std::int32_t>(bits.peek(16));
    for (int length = 9; length <= 16; ++length) {
      const auto at = static_cast<std::size_t>(length);
      const std::int32_t prefix = code >> (16 - length);
      if (prefix >= end_[at]) continue;
      bits.skip(length);
      const std::int32_t index = prefix + first_[at];
      require(index >= 0 && index < static_cast<std::int32_t>(symbols_.size()));
      return symbols_[static_cast<std::size_t>(index)];
    }
    throw DamagedPicture{};
  }

 private:
  std::vector<std::uint8_t> symbols_;
  std::array<std::uint16_t, 256> quick_{};  // by 8 bits: length and symbol; 0: longer than 8 bits
  std::array<std::int32_t, 17> first_{}, end_{};
};

struct ScanPart {
  JpegComponent* component = nullptr;
  const HuffmanTable *dc = nullptr, *ac = nullptr;
  std::int32_t predicted = 0;
};

// One scan: which coefficients (from..to), which of their bits (high: those known before, low).
struct Scan {
  std::vector<ScanPart> parts{};
  int from = 0, to = 63, high = 0, low = 0;
  bool progressive = false;
  std::uint32_t run = 0;  // blocks that end before they begin

  void restart() {
    run = 0;
    for (ScanPart& part : parts) part.predicted = 0;
  }

  void decode(BitReader& bits, ScanPart& part, std::int16_t* block) {
    if (!progressive) return sequential(bits, part, block);
    if (from > 0) return high == 0 ? first_ac(bits, part, block) : refine_ac(bits, part, block);
    if (high == 0) {
      block[0] = static_cast<std::int16_t>(next_dc(bits, part) << low);
    } else if (bits.take(1) != 0) {
      block[0] = static_cast<std::int16_t>(block[0] | 1 << low);
    }
  }

 private:
  static std::int32_t next_dc(BitReader& bits, ScanPart& part) {
    const int size = part.dc->decode(bits);
    require(size <= 15);
    // What is no picture may add up to anything.
    part.predicted = static_cast<std::int16_t>(part.predicted + bits.take_signed(size));
    return part.predicted;
  }

  static void sequential(BitReader& bits, ScanPart& part, std::int16_t* block) {
    block[0] = static_cast<std::int16_t>(next_dc(bits, part));
    for (int k = 1; k < 64; ++k) {
      const int symbol = part.ac->decode(bits), size = symbol & 15;
      if (size == 0 && symbol != 0xf0) break;
      k += symbol >> 4;
      if (size == 0) continue;
      require(k < 64);
      block[kZigzag[static_cast<std::size_t>(k)]] =
          static_cast<std::int16_t>(bits.take_signed(size));
    }
  }

  // A symbol r0: so many blocks from this one on have no more coefficients.
  static std::uint32_t run_of(BitReader& bits, int exponent) {
    return (1u << exponent) + (exponent > 0 ? bits.take(exponent) : 0);
  }

  void first_ac(BitReader& bits, const ScanPart& part, std::int16_t* block) {
    if (run > 0) {
      --run;
      return;
    }
    for (int k = from; k <= to; ++k) {
      const int symbol = part.ac->decode(bits), size = symbol & 15, zeros = symbol >> 4;
      if (size == 0 && zeros < 15) {
        run = run_of(bits, zeros) - 1;
        return;
      }
      k += zeros;
      if (size == 0) continue;
      require(k <= to);
      block[kZigzag[static_cast<std::size_t>(k)]] =
          static_cast<std::int16_t>(bits.take_signed(size) * (1 << low));
    }
  }

  // One more bit of a coefficient that is not 0.
  void refine(BitReader& bits, std::int16_t& value) const {
    if (bits.take(1) == 0 || (value & 1 << low) != 0) return;
    value = static_cast<std::int16_t>(value + (value >= 0 ? 1 << low : -(1 << low)));
  }

  void refine_ac(BitReader& bits, const ScanPart& part, std::int16_t* block) {
    int k = from;
    for (; run == 0 && k <= to; ++k) {
      const int symbol = part.ac->decode(bits);
      int zeros = symbol >> 4, fresh = 0;
      if ((symbol & 15) != 0) {
        require((symbol & 15) == 1);
        fresh = bits.take(1) != 0 ? 1 << low : -(1 << low);
      } else if (zeros < 15) {
        run = run_of(bits, zeros);
        break;
      }
      for (; k <= to; ++k) {  // over coefficients that are not 0, and `zeros` that are
        std::int16_t& value = block[kZigzag[static_cast<std::size_t>(k)]];
        if (value != 0) {
          refine(bits, value);
        } else if (--zeros < 0) {
          break;
        }
      }
      if (fresh == 0) continue;
      require(k <= to);
      block[kZigzag[static_cast<std::size_t>(k)]] = static_cast<std::int16_t>(fresh);
    }
    if (run == 0) return;
    for (; k <= to; ++k) {
      std::int16_t& value = block[kZigzag[static_cast<std::size_t>(k)]];
      if (value != 0) refine(bits, value);
    }
    --run;
  }
};

class Parser {
 public:
  explicit Parser(const PictureFile& file) : file_(file), bytes_(file.bytes) {}

  JpegImage parse() {
    at_ = 2;
    while (next_segment()) {
    }
    require(!image_.components.empty());
    for (const JpegComponent& component : image_.components) require(component.scanned);
    return std::move(image_);
  }

 private:
  int byte() {
    require(at_ < end_);
    return static_cast<int>(bytes_[at_++]);
  }
  int word() {
    const int high = byte();
    return high << 8 | byte();
  }

  // False at the end of the picture.
  bool next_segment() {
    end_ = bytes_.size();
    // A file may end without saying so.
    while (at_ < end_ && static_cast<int>(bytes_[at_]) != 0xff) ++at_;
    while (at_ < end_ && static_cast<int>(bytes_[at_]) == 0xff) ++at_;
    if (at_ >= end_) return false;
    const int marker = byte();
    if (marker == 0xd9) return false;
    if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) return true;
    const std::size_t start = at_;
    const auto length = static_cast<std::size_t>(word());
    require(length >= 2 && length <= bytes_.size() - start);
    end_ = start + length;
    if (marker == 0xda) return scan();
    segment(marker);
    at_ = end_;
    return true;
  }

  void segment(int marker) {
    switch (marker) {
      case 0xc0:
      case 0xc1:
      case 0xc2:
        return frame(marker == 0xc2);
      case 0xc4:
        return huffman_tables();
      case 0xdb:
        return quantizers();
      case 0xdd:
        interval_ = word();
        return;
      case 0xe0:
        image_.jfif = image_.jfif || starts_with("JFIF");
        return;
      case 0xee:
        if (starts_with("Adobe") && end_ - at_ >= 12) {
          image_.adobe_transform = static_cast<int>(bytes_[at_ + 11]);
        }
        return;
      case 0xc3:
      case 0xc7:
      case 0xcb:
      case 0xcf:
        refuse_picture("JPEG (lossless)");
      case 0xc5:
      case 0xc6:
      case 0xcd:
      case 0xce:
        refuse_picture("JPEG (hierarchical)");
      case 0xc9:
      case 0xca:
      case 0xcc:
        refuse_picture("JPEG (arithmetic coding)");
      case 0xdc:
        refuse_picture("JPEG (height after the picture)");
      default:
        return;  // what other programs keep there
    }
  }

  bool starts_with(std::string_view text) const {
    return end_ - at_ >= text.size() &&
           std::string_view(reinterpret_cast<const char*>(bytes_.data()) + at_, text.size()) ==
               text;
  }

  void quantizers() {
    while (at_ < end_) {
      const int kind = byte();
      require((kind & 15) < 4 && kind >> 4 <= 1);
      auto& table = quantizers_[static_cast<std::size_t>(kind & 15)].emplace();
      for (const std::uint8_t place : kZigzag) {
        table[place] = static_cast<std::uint16_t>(kind >> 4 != 0 ? word() : byte());
      }
    }
  }

  void huffman_tables() {
    while (at_ < end_) {
      const int kind = byte();
      require((kind & 15) < 4 && kind >> 4 <= 1);
      std::array<int, 16> counts{};
      std::size_t total = 0;
      for (int& count : counts) {
        count = byte();
        total += static_cast<std::size_t>(count);
      }
      require(total <= 256);
      std::vector<std::uint8_t> symbols;
      for (std::size_t i = 0; i < total; ++i) symbols.push_back(static_cast<std::uint8_t>(byte()));
      auto& tables = kind >> 4 != 0 ? ac_ : dc_;
      tables[static_cast<std::size_t>(kind & 15)].emplace(counts, std::move(symbols));
    }
  }

  void frame(bool progressive) {
    require(image_.components.empty());
    progressive_ = progressive;
    if (byte() != 8) refuse_picture("JPEG (12 bits)");
    image_.height = word();
    image_.width = word();
    if (image_.height == 0) refuse_picture("JPEG (height after the picture)");
    require(image_.width > 0);
    const int count = byte();
    if (count == 4) refuse_picture("JPEG (four colours)");
    require(count == 1 || count == 3);
    for (int i = 0; i < count; ++i) {
      JpegComponent component;
      component.id = byte();
      const int factors = byte();
      component.across = factors >> 4;
      component.down = factors & 15;
      component.quantizer = byte();
      require(component.across >= 1 && component.across <= 4 && component.down >= 1 &&
              component.down <= 4 && component.quantizer < 4);
      image_.most_across = std::max(image_.most_across, component.across);
      image_.most_down = std::max(image_.most_down, component.down);
      image_.components.push_back(std::move(component));
    }
    if (count == 1) {  // factors of a single component mean nothing
      image_.most_across = image_.most_down = 1;
      image_.components[0].across = image_.components[0].down = 1;
    }
    lay_out();
  }

  void lay_out() {
    const std::int64_t units_across =
        (image_.width + 8 * image_.most_across - 1) / (8 * image_.most_across);
    const std::int64_t units_down =
        (image_.height + 8 * image_.most_down - 1) / (8 * image_.most_down);
    std::int64_t blocks = 0;
    for (JpegComponent& component : image_.components) {
      require(image_.most_across % component.across == 0 && image_.most_down % component.down == 0);
      component.width =
          (image_.width * component.across + image_.most_across - 1) / image_.most_across;
      component.height = (image_.height * component.down + image_.most_down - 1) / image_.most_down;
      component.columns = units_across * component.across;
      component.rows = units_down * component.down;
      blocks += component.columns * component.rows;  // at most 2^32
    }
    check_claim(image_.height, image_.width, blocks / 8, file_);  // a bit a block at least
    for (JpegComponent& component : image_.components) {
      component.coefficients.resize(static_cast<std::size_t>(component.columns * component.rows) *
                                    64);
    }
  }

  bool scan() {
    require(!image_.components.empty() && ++scans_ <= kMostScans);
    Scan scan{.progressive = progressive_};
    const int count = byte();
    require(count >= 1 && count <= static_cast<int>(image_.components.size()));
    for (int i = 0; i < count; ++i) {
      const int id = byte(), tables = byte();
      const auto component = std::ranges::find(image_.components, id, &JpegComponent::id);
      require(component != image_.components.end() && (tables & 15) < 4 && tables >> 4 < 4);
      ScanPart part{.component = &*component};
      if (const auto& dc = dc_[static_cast<std::size_t>(tables >> 4)]) part.dc = &*dc;
      if (const auto& ac = ac_[static_cast<std::size_t>(tables & 15)]) part.ac = &*ac;
      for (const ScanPart& other : scan.parts) require(other.component != part.component);
      scan.parts.push_back(part);
    }
    scan.from = byte();
    scan.to = byte();
    const int bits = byte();
    scan.high = bits >> 4;
    scan.low = bits & 15;
    check(scan);
    for (ScanPart& part : scan.parts) keep_quantizer(*part.component);
    BitReader reader(bytes_, end_);
    run(scan, reader);
    at_ = reader.position();
    return true;
  }

  void check(Scan& scan) const {
    if (progressive_) {
      require(scan.to <= 63 && scan.from <= scan.to && scan.low <= 13);
      require(scan.from == 0 ? scan.to == 0 : scan.parts.size() == 1);
      require(scan.high == 0 || scan.high == scan.low + 1);
    } else {
      scan.from = 0, scan.to = 63, scan.high = scan.low = 0;
    }
    for (const ScanPart& part : scan.parts) {
      const bool needs_dc = scan.from == 0 && scan.high == 0, needs_ac = scan.to > 0;
      require((!needs_dc || part.dc != nullptr) && (!needs_ac || part.ac != nullptr));
    }
  }

  // The table that is in force when a component is first seen.
  void keep_quantizer(JpegComponent& component) {
    if (component.scanned) return;
    const auto& table = quantizers_[static_cast<std::size_t>(component.quantizer)];
    require(table.has_value());
    component.steps = *table;
    component.scanned = true;
  }

  void run(Scan& scan, BitReader& reader) const {
    const bool alone = scan.parts.size() == 1;
    const JpegComponent& first = *scan.parts.front().component;
    const std::int64_t columns = alone ? (first.width + 7) / 8 : first.columns / first.across;
    const std::int64_t rows = alone ? (first.height + 7) / 8 : first.rows / first.down;
    std::int64_t left = interval_;
    int restarts = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        if (interval_ > 0 && left == 0) {
          reader.restart(restarts);
          restarts = (restarts + 1) % 8;
          scan.restart();
          left = interval_;
        }
        --left;
        for (ScanPart& part : scan.parts) {
          JpegComponent& component = *part.component;
          const std::int64_t across = alone ? 1 : component.across,
                             down = alone ? 1 : component.down;
          for (std::int64_t y = 0; y < down; ++y) {
            for (std::int64_t x = 0; x < across; ++x) {
              const std::int64_t block = (row * down + y) * component.columns + column * across + x;
              scan.decode(reader, part, component.coefficients.data() + block * 64);
            }
          }
        }
      }
    }
  }

  const PictureFile& file_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0, end_ = 0;  // of the segment
  JpegImage image_;
  bool progressive_ = false;
  int interval_ = 0, scans_ = 0;
  std::array<std::optional<std::array<std::uint16_t, 64>>, 4> quantizers_;
  std::array<std::optional<HuffmanTable>, 4> dc_, ac_;
};

}  // namespace

JpegImage read_jpeg(const PictureFile& file) { return Parser(file).parse(); }

std::optional<Picture> decode_jpeg(const PictureFile& file) {
  try {
    return render_jpeg(read_jpeg(file));
  } catch (const DamagedPicture&) {
    return std::nullopt;
  }
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "ops/inflate_support.hpp"

#include <algorithm>
#include <array>

namespace strop {
namespace {

struct Damaged {};

void require(bool condition) {
  if (!condition) throw Damaged{};
}

// Bits from the low end of each byte.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint32_t take(int bits) {
    while (count_ < bits) {
      require(at_ < bytes_.size());
      held_ |= static_cast<std::uint64_t>(bytes_[at_++]) << count_;
      count_ += 8;
    }
    const auto value = static_cast<std::uint32_t>(held_ & ((std::uint64_t{1} << bits) - 1));
    held_ >>= bits;
    count_ -= bits;
    return value;
  }
  void to_byte() {
    held_ >>= count_ % 8;
    count_ -= count_ % 8;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::uint64_t held_ = 0;
  int count_ = 0;
};

// Codes of up to 15 bits, by their lengths.
class PrefixCode {
 public:
  explicit PrefixCode(std::span<const std::uint8_t> lengths) : symbols_(lengths.size()) {
    for (const std::uint8_t length : lengths) ++counts_[length];
    counts_[0] = 0;
    std::array<int, 16> next{};
    int left = 1;  // codes of this length that are still free
    for (std::size_t i = 1; i < 16; ++i) {
      left = 2 * left - counts_[i];
      require(left >= 0);
      next[i] = next[i - 1] + counts_[i - 1];
    }
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      if (lengths[symbol] == 0) continue;
      symbols_[static_cast<std::size_t>(next[lengths[symbol]]++)] =
          static_cast<std::uint16_t>(symbol);
    }
  }

  std::uint32_t decode(BitReader& bits) const {
    int code = 0, first = 0, index = 0;  // first: the first code of this length
    for (std::size_t length = 1; length < 16; ++length) {
      code |= static_cast<int>(bits.take(1));
      const int count = counts_[length];
      if (code - first < count) return symbols_[static_cast<std::size_t>(index + code - first)];
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    throw Damaged{};
  }

 private:
  std::array<int, 16> counts_{};
  std::vector<std::uint16_t> symbols_;  // by length, then by value
};

class Inflater {
 public:
  Inflater(std::span<const std::byte> packed, std::size_t size, std::vector<std::uint8_t>& out)
      : bits_(packed), size_(size), out_(out) {}

  void run(bool check_sum) {
    const std::uint32_t method = bits_.take(8), flags = bits_.take(8);
    require((method & 15) == 8 && (method * 256 + flags) % 31 == 0 && (flags & 32) == 0);
    bool last = false;
    while (!last && !full()) {
      last = bits_.take(1) != 0;
      const std::uint32_t kind = bits_.take(2);
      require(kind < 3);
      if (kind == 0) {
        stored();
      } else if (kind == 1) {
        fixed();
      } else {
        dynamic();
      }
    }
    require(full());
    if (check_sum && last && !more_) compare_sum();
  }

 private:
  bool full() const { return out_.size() >= size_; }

  void stored() {
    bits_.to_byte();
    const std::uint32_t length = bits_.take(16);
    require((length ^ bits_.take(16)) == 0xffff);
    for (std::uint32_t i = 0; i < length && !full(); ++i) {
      out_.push_back(static_cast<std::uint8_t>(bits_.take(8)));
      more_ = full() && i + 1 < length;
    }
  }

  void fixed() {
    std::array<std::uint8_t, 288> lengths{};
    std::fill(lengths.begin(), lengths.begin() + 144, std::uint8_t{8});
    std::fill(lengths.begin() + 144, lengths.begin() + 256, std::uint8_t{9});
    std::fill(lengths.begin() + 256, lengths.begin() + 280, std::uint8_t{7});
    std::fill(lengths.begin() + 280, lengths.end(), std::uint8_t{8});
    const std::array<std::uint8_t, 30> distances = [] {
      std::array<std::uint8_t, 30> all{};
      all.fill(5);
      return all;
    }();
    block(PrefixCode(lengths), PrefixCode(distances));
  }

  void dynamic() {
    static constexpr std::array<std::uint8_t, 19> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                            11, 4,  12, 3, 13, 2, 14, 1, 15};
    const std::size_t literals = bits_.take(5) + 257, distances = bits_.take(5) + 1;
    const std::size_t code_lengths = bits_.take(4) + 4;
    require(literals <= 286 && distances <= 30);
    std::array<std::uint8_t, 19> of_lengths{};
    for (std::size_t i = 0; i < code_lengths; ++i) {
      of_lengths[kOrder[i]] = static_cast<std::uint8_t>(bits_.take(3));
    }
    const PrefixCode length_code(of_lengths);
    std::vector<std::uint8_t> lengths;
    while (lengths.size() < literals + distances) {
      const std::uint32_t symbol = length_code.decode(bits_);
      if (symbol < 16) {
        lengths.push_back(static_cast<std::uint8_t>(symbol));
        continue;
      }
      require(symbol != 16 || !lengths.empty());
      const std::uint8_t repeated = symbol == 16 ? lengths.back() : std::uint8_t{0};
      const std::size_t times = symbol == 16   ? 3 + bits_.take(2)
                                : symbol == 17 ? 3 + bits_.take(3)
                                               : 11 + bits_.take(7);
      lengths.insert(lengths.end(), times, repeated);
    }
    require(lengths.size() == literals + distances);
    const std::span<const std::uint8_t> all(lengths);
    block(PrefixCode(all.first(literals)), PrefixCode(all.subspan(literals)));
  }

  void block(const PrefixCode& literals, const PrefixCode& distances) {
    while (true) {
      const std::uint32_t symbol = literals.decode(bits_);
      if (symbol == 256) return;
      if (full()) {
        more_ = true;
        return;
      }
      if (symbol < 256) {
        out_.push_back(static_cast<std::uint8_t>(symbol));
        continue;
      }
      require(symbol < 286);
      const std::size_t length = length_of(symbol - 257);
      const std::uint32_t code = distances.decode(bits_);
      require(code < 30);
      const std::size_t distance = distance_of(code);
      require(distance <= out_.size());
      for (std::size_t i = 0; i < length && !full(); ++i) {
        out_.push_back(out_[out_.size() - distance]);
        more_ = full() && i + 1 < length;
      }
    }
  }

  // Four lengths share a number of extra bits, and two distances.
  std::size_t length_of(std::uint32_t code) {
    if (code < 8) return code + 3;
    if (code == 28) return 258;
    const int extra = static_cast<int>(code) / 4 - 1;
    return ((std::size_t{4} + code % 4) << extra) + 3 + bits_.take(extra);
  }
  std::size_t distance_of(std::uint32_t code) {
    if (code < 4) return code + 1;
    const int extra = static_cast<int>(code) / 2 - 1;
    return ((std::size_t{2} + code % 2) << extra) + 1 + bits_.take(extra);
  }

  void compare_sum() {
    std::uint32_t a = 1, b = 0;  // Adler-32
    for (const std::uint8_t byte : out_) {
      a = (a + byte) % 65'521;
      b = (b + a) % 65'521;
    }
    bits_.to_byte();
    std::uint32_t told = 0;
    for (int i = 0; i < 4; ++i) told = told << 8 | bits_.take(8);
    require(told == (b << 16 | a));
  }

  BitReader bits_;
  std::size_t size_;
  std::vector<std::uint8_t>& out_;
  bool more_ = false;  // than is wanted
};

}  // namespace

bool inflate(std::span<const std::byte> packed, std::size_t size, bool check_sum,
             std::vector<std::uint8_t>& out) {
  out.clear();
  try {
    out.reserve(size);
    Inflater(packed, size, out).run(check_sum);
    return true;
  } catch (const Damaged&) {
    return false;
  }
}

}  // namespace strop

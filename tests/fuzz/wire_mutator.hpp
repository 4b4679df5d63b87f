// SPDX-License-Identifier: Apache-2.0
// Mutations of protocol-buffer messages that keep them well formed: a change of a byte breaks the
// lengths of all messages around it, so most inputs would end at the reader. Bytes are taken apart
// into fields without a schema: what reads as a message counts as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace strop::fuzz {

struct WireField {
  std::uint64_t number = 0;
  int wire = 0;                  // 0 varint, 1 eight bytes, 2 bytes or message, 5 four bytes
  std::uint64_t value = 0;       // of a varint
  std::string bytes;             // of all else that is no message
  std::vector<WireField> inner;  // of a message
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  // False when the bytes are no message.
  bool read(std::vector<WireField>& fields, int depth = 0) {
    while (!bytes_.empty()) {
      WireField field;
      std::uint64_t tag = 0;
      if (!varint(tag)) return false;
      field.number = tag >> 3;
      field.wire = static_cast<int>(tag & 7);
      if (field.number == 0 || field.number > 1000) return false;
      if (field.wire == 0) {
        if (!varint(field.value)) return false;
      } else {
        std::uint64_t length = field.wire == 1 ? 8 : 4;
        if (field.wire == 2 ? !varint(length) : field.wire != 1 && field.wire != 5) return false;
        if (length > bytes_.size()) return false;
        const std::string_view content = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
        if (field.wire != 2 || depth > 20 || is_text(content) ||
            !WireReader(content).read(field.inner, depth + 1)) {
          field.inner.clear();
          field.bytes = content;
        }
      }
      fields.push_back(std::move(field));
    }
    return true;
  }

 private:
  static bool is_text(std::string_view content) {
    for (const char c : content) {
      if (c < ' ' || c > '~') return false;
    }
    return true;
  }

  bool varint(std::uint64_t& value) {
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view bytes_;
};

inline void write_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

inline void write_fields(const std::vector<WireField>& fields, std::string& out) {
  for (const WireField& field : fields) {
    write_varint(field.number << 3 | static_cast<std::uint64_t>(field.wire), out);
    if (field.wire == 0) {
      write_varint(field.value, out);
      continue;
    }
    std::string content = field.bytes;
    if (!field.inner.empty()) {
      content.clear();
      write_fields(field.inner, content);
    }
    if (field.wire == 2) write_varint(content.size(), out);
    out += content;
  }
}

class WireMutator {
 public:
  explicit WireMutator(unsigned seed) : random_(seed) {}

  // Changes one to three fields; `other` may lend some.
  void change(std::vector<WireField>& message, const std::vector<WireField>& other) {
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      std::vector<Place> places;
      collect(message, places);
      if (places.empty()) return;
      change(places[below(places.size())], places, other);
    }
  }

 private:
  struct Place {
    std::vector<WireField>* list;
    std::size_t index;
    WireField& field() const { return (*list)[index]; }
  };

  std::size_t below(std::size_t n) { return random_() % n; }

  static void collect(std::vector<WireField>& fields, std::vector<Place>& out) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      out.push_back({&fields, i});
      collect(fields[i].inner, out);
    }
  }

  static void collect_like(const std::vector<WireField>& fields, const WireField& like,
                           std::vector<const WireField*>& out) {
    for (const WireField& field : fields) {
      if (field.number == like.number && field.wire == like.wire &&
          field.inner.empty() == like.inner.empty()) {
        out.push_back(&field);
      }
      collect_like(field.inner, like, out);
    }
  }

  void change(const Place& at, const std::vector<Place>& places,
              const std::vector<WireField>& other) {
    WireField& field = at.field();
    switch (below(8)) {
      case 0:
        at.list->erase(at.list->begin() + static_cast<std::ptrdiff_t>(at.index));
        return;
      case 1: {  // twice, somewhere in the same message
        const WireField copy = field;
        const std::size_t to = below(at.list->size() + 1);
        at.list->insert(at.list->begin() + static_cast<std::ptrdiff_t>(to), copy);
        return;
      }
      case 2:
        std::swap(field, (*at.list)[below(at.list->size())]);
        return;
      case 3: {  // what stands for the same elsewhere
        std::vector<const WireField*> like;
        collect_like(other, field, like);
        if (!like.empty()) field = WireField(*like[below(like.size())]);
        return;
      }
      case 4: {  // another name of this message
        const WireField& from = places[below(places.size())].field();
        if (field.wire == 2 && from.wire == 2 && field.inner.empty() && from.inner.empty())
          field.bytes = std::string(from.bytes);
        return;
      }
      default:
        change_content(field);
    }
  }

  void change_content(WireField& field) {
    static constexpr std::uint64_t kNumbers[] = {0,
                                                 1,
                                                 2,
                                                 3,
                                                 7,
                                                 16,
                                                 64,
                                                 1000,
                                                 0x7fffffff,
                                                 0x80000000,
                                                 std::uint64_t{1} << 62,
                                                 0x7fffffffffffffff,
                                                 0x8000000000000000,
                                                 0xffffffffffffffff,
                                                 0xfffffffffffffffe};
    if (field.wire == 0) {
      switch (below(3)) {
        case 0:
          field.value = kNumbers[below(std::size(kNumbers))];
          break;
        case 1:
          field.value += below(2) == 0 ? 1 : ~std::uint64_t{0};
          break;
        default:
          field.value = below(32);
      }
    } else if (field.inner.empty()) {
      const std::size_t size = field.bytes.size();
      field.bytes.resize(size + 32);
      const std::size_t most = field.wire == 2 ? size + 32 : size;
      const std::size_t now =
          LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(field.bytes.data()), size, most);
      field.bytes.resize(field.wire == 2 ? now : size);
    }
  }

  std::minstd_rand random_;
};

// What LLVMFuzzerCustomMutator and LLVMFuzzerCustomCrossOver do with messages; every fourth change
// is one of plain bytes.
inline std::size_t mutate_message(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                  unsigned seed, std::string_view other = {}) {
  std::vector<WireField> message, lender;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const bool readable = WireReader(bytes).read(message) && !message.empty();
  if (!readable || seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  if (other.empty() || !WireReader(other).read(lender)) lender = message;
  WireMutator(seed).change(message, lender);
  std::string out;
  write_fields(message, out);
  if (out.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  out.copy(reinterpret_cast<char*>(data), out.size());
  return out.size();
}

}  // namespace strop::fuzz

// SPDX-License-Identifier: Apache-2.0
#include "plan/engine_layout.hpp"

#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/parallel.hpp"
#include "base/shape.hpp"
#include "plan/engine_generated.h"

namespace strop::engine_layout {
namespace {

static_assert(std::endian::native == std::endian::little,
              "engines are little-endian and used in place");

constexpr std::string_view kMagic = "strop-engine\n";
constexpr const char* kCopyAgain = "copy the file again, or build the engine again";

[[noreturn]] void corrupted(std::string what, std::string why) {
  throw Error(ErrorCode::engine_corrupted, std::move(what), std::move(why), kCopyAgain);
}

[[noreturn]] void invalid(std::string what, std::string why) {
  throw Error(ErrorCode::engine_invalid, std::move(what), std::move(why),
              "build the engine again from its model");
}

std::string digits(std::uint64_t value, std::size_t width) {
  std::string text = std::to_string(value);
  STROP_CHECK(text.size() <= width, "a number of an engine header fits its field");
  return std::string(width - text.size(), '0') + text;
}

std::uint64_t aligned(std::uint64_t offset) {
  return (offset + kAlignment - 1) / kAlignment * kAlignment;
}

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

struct Preamble {
  std::uint64_t format = kFormat;
  std::uint64_t file_size = 0;
  std::uint64_t json_size = 0;
  Hash json_hash;
  std::uint64_t table_size = 0;
  Hash table_hash;
};

// The lines up to and with the word "check "; what its hash is of.
std::string checked_lines(const Preamble& p) {
  std::string out(kMagic);
  out += "format " + digits(p.format, 10) + "\n";
  out += "file " + digits(p.file_size, 20) + "\n";
  out += "json " + digits(p.json_size, 10) + " " + to_text(p.json_hash) + "\n";
  out += "table " + digits(p.table_size, 10) + " " + to_text(p.table_hash) + "\n";
  out += "check ";
  return out;
}

std::string preamble_text(const Preamble& p) {
  std::string out = checked_lines(p);
  out += to_text(hash_of(bytes_of(out))) + "\n";
  STROP_CHECK(out.size() == kPreambleBytes, "the header's first lines have a fixed length");
  return out;
}

std::string build_table(const std::vector<const Section*>& sections,
                        const std::vector<std::uint64_t>& sizes,
                        const std::vector<std::vector<Hash>>& chunks,
                        const std::vector<std::uint64_t>& offsets) {
  flatbuffers::FlatBufferBuilder builder(1024);
  std::vector<flatbuffers::Offset<fbs::Section>> entries;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    std::vector<fbs::Hash> hashes;
    hashes.reserve(chunks[i].size());
    for (const Hash& hash : chunks[i]) hashes.emplace_back(hash.low, hash.high);
    const auto name = builder.CreateString(sections[i]->name);
    const auto vector = builder.CreateVectorOfStructs(hashes);
    entries.push_back(fbs::CreateSection(builder, name, offsets[i], sizes[i], vector));
  }
  builder.Finish(fbs::CreateSectionTable(builder, builder.CreateVector(entries)));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

// Takes the fields of the fixed lines apart; what stands between them is compared afterwards.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text) {}

  std::uint64_t number(std::size_t at, std::size_t width) {
    std::uint64_t value = 0;
    const char* begin = text_.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + width, value);
    if (error != std::errc{} || end != begin + width) good_ = false;
    return value;
  }
  Hash hash(std::size_t at) {
    Hash out;
    const char* begin = text_.data() + at;
    const auto high = std::from_chars(begin, begin + 16, out.high, 16);
    const auto low = std::from_chars(begin + 16, begin + 32, out.low, 16);
    if (high.ec != std::errc{} || high.ptr != begin + 16 || low.ec != std::errc{} ||
        low.ptr != begin + 32) {
      good_ = false;
    }
    return out;
  }
  bool good() const { return good_; }

 private:
  std::string_view text_;
  bool good_ = true;
};

void require_zeros(Bytes bytes, const std::string& where) {
  if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; })) {
    corrupted("the engine is damaged " + where, "the padding there is not zero");
  }
}

}  // namespace

Hash hash_of(Bytes bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::string to_text(Hash hash) {
  std::string out(32, '0');
  for (int i = 0; i < 16; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out[static_cast<std::size_t>(15 - i)] = kDigits[(hash.high >> (4 * i)) & 15];
    out[static_cast<std::size_t>(31 - i)] = kDigits[(hash.low >> (4 * i)) & 15];
  }
  return out;
}

std::vector<Hash> chunk_hashes(const Section& section) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  if (!state) throw Error(ErrorCode::out_of_memory, "no memory to hash an engine");
  std::vector<Hash> out;
  std::size_t filled = 0;  // bytes of the chunk under way
  XXH3_128bits_reset(state.get());
  const auto finish = [&] {
    const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
    out.push_back({hash.low64, hash.high64});
    XXH3_128bits_reset(state.get());
    filled = 0;
  };
  for (Bytes piece : section.pieces) {
    while (!piece.empty()) {
      const std::size_t take = std::min(piece.size(), static_cast<std::size_t>(kChunk) - filled);
      XXH3_128bits_update(state.get(), piece.data(), take);
      piece = piece.subspan(take);
      filled += take;
      if (filled == static_cast<std::size_t>(kChunk)) finish();
    }
  }
  if (filled > 0) finish();
  return out;
}

void write_engine_bytes(std::string_view json, const std::vector<Section>& sections,
                        const std::function<void(Bytes)>& emit, const Bytes* table) {
  std::vector<const Section*> kept;
  std::vector<std::uint64_t> sizes;
  std::vector<std::vector<Hash>> chunks;
  for (const Section& section : sections) {
    std::uint64_t size = 0;
    for (const Bytes piece : section.pieces) size += piece.size();
    if (size == 0) continue;
    kept.push_back(&section);
    sizes.push_back(size);
    chunks.push_back(chunk_hashes(section));
  }
  // The table's length does not depend on the offsets in it: FlatBuffers leaves out only zeros, and
  // no section is at 0.
  std::vector<std::uint64_t> offsets(kept.size(), 1);
  std::string own_table;
  Preamble p;
  p.json_size = json.size();
  p.json_hash = hash_of(bytes_of(json));
  const std::uint64_t table_offset = aligned(kPreambleBytes + json.size());
  if (table == nullptr) own_table = build_table(kept, sizes, chunks, offsets);
  p.table_size = table != nullptr ? table->size() : own_table.size();
  std::uint64_t end = table_offset + p.table_size;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    offsets[i] = aligned(end);
    end = offsets[i] + sizes[i];
  }
  if (table == nullptr) {
    own_table = build_table(kept, sizes, chunks, offsets);
    STROP_CHECK(own_table.size() == p.table_size, "offsets do not change the table's length");
  }
  const Bytes table_bytes = table != nullptr ? *table : bytes_of(own_table);
  if (json.size() > kMaxJson || table_bytes.size() > kMaxTable || kept.size() > kMaxSections) {
    throw Error(ErrorCode::limit_exceeded, "the engine's header or table is too large to be saved",
                "a header has at most 4 MiB, a table 256 MiB");
  }
  p.table_hash = hash_of(table_bytes);
  p.file_size = end;

  static constexpr std::byte kZeros[kAlignment] = {};
  std::uint64_t written = 0;
  const auto put = [&](Bytes bytes) {
    if (!bytes.empty()) emit(bytes);
    written += bytes.size();
  };
  const auto pad = [&] { put(Bytes(kZeros).first(aligned(written) - written)); };
  put(bytes_of(preamble_text(p)));
  put(bytes_of(json));
  pad();
  put(table_bytes);
  for (const Section* section : kept) {
    pad();
    for (const Bytes piece : section->pieces) put(piece);
  }
  STROP_CHECK(written == end, "an engine is as long as its header says");
}

Header read_header(Bytes file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const std::string_view magic = text.substr(0, kMagic.size());
  if (magic.empty() || magic != kMagic.substr(0, magic.size())) {
    throw Error(ErrorCode::not_an_engine, "this is not a Strop engine",
                text.empty() ? "the file is empty" : "it does not begin with \"strop-engine\"",
                "give the file that `strop build` wrote");
  }
  const auto truncated = [&](const std::string& why) {
    throw Error(ErrorCode::engine_truncated, "the engine is not complete", why, kCopyAgain);
  };
  if (file.size() < kPreambleBytes) truncated("it ends within its header");
  const std::string_view preamble = text.substr(0, kPreambleBytes);

  Preamble p;
  FieldReader fields(preamble);
  p.format = fields.number(20, 10);
  p.file_size = fields.number(36, 20);
  p.json_size = fields.number(62, 10);
  p.json_hash = fields.hash(73);
  p.table_size = fields.number(112, 10);
  p.table_hash = fields.hash(123);
  if (!fields.good() || preamble_text(p) != preamble) {
    corrupted("the engine is damaged in its header", "its first lines do not match their hash");
  }
  if (p.format != kFormat) {
    throw Error(ErrorCode::engine_newer_format,
                "the engine is of format " + std::to_string(p.format),
                "this version of Strop reads format " + std::to_string(kFormat),
                "use a newer Strop, or build the engine again with this one");
  }
  if (p.json_size > kMaxJson || p.table_size > kMaxTable) {
    invalid("the engine's header or table is too large",
            "a header has at most 4 MiB, a table 256 MiB");
  }
  const std::uint64_t json_end = kPreambleBytes + p.json_size;
  Header out;
  out.file_size = p.file_size;
  out.table_offset = aligned(json_end);
  out.table_size = p.table_size;
  out.table_hash = p.table_hash;
  if (p.file_size < out.table_offset + out.table_size) {
    invalid("the engine's header contradicts itself", "header and table are longer than the file");
  }
  if (file.size() < p.file_size) {
    truncated("it has " + std::to_string(file.size()) + " bytes, its header says " +
              std::to_string(p.file_size));
  }
  if (file.size() > p.file_size) {
    corrupted("the engine is longer than its header says",
              std::to_string(file.size() - p.file_size) + " bytes follow its end");
  }
  out.json = text.substr(kPreambleBytes, p.json_size);
  if (hash_of(bytes_of(out.json)) != p.json_hash) {
    corrupted("the engine is damaged in its header", "the JSON does not match its hash");
  }
  out.content_id = preamble.substr(kPreambleBytes - 33, 32);
  return out;
}

std::vector<SectionView> read_sections(Bytes file, const Header& header) {
  const auto at = [&](std::uint64_t from, std::uint64_t to) {
    return file.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
  };
  STROP_CHECK(file.size() == header.file_size, "the header is of this file");
  require_zeros(at(kPreambleBytes + header.json.size(), header.table_offset), "after its header");
  std::uint64_t end = header.table_offset + header.table_size;
  // A copy: the file may be mapped, and offsets must not change after they are checked. It is also
  // aligned.
  const Bytes in_file = at(header.table_offset, end);
  std::vector<std::uint64_t> storage(in_file.size() / 8 + 1);
  std::memcpy(storage.data(), in_file.data(), in_file.size());
  const Bytes bytes = std::as_bytes(std::span(storage)).first(in_file.size());
  if (hash_of(bytes) != header.table_hash) {
    corrupted("the engine is damaged in its table of sections", "it does not match its hash");
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                 4, kMaxSections + 1);
  if (!verifier.VerifyBuffer<fbs::SectionTable>(nullptr)) {
    invalid("the engine's table of sections", "it is no valid FlatBuffer of its schema");
  }
  const auto* table = flatbuffers::GetRoot<fbs::SectionTable>(bytes.data());
  std::vector<SectionView> out;
  if (table->sections() == nullptr) invalid("the engine's table of sections", "it lists nothing");
  for (const fbs::Section* section : *table->sections()) {
    SectionView view;
    if (section->name() == nullptr || section->chunks() == nullptr ||
        section->name()->size() > 64 || section->size() == 0) {
      invalid("the engine's table of sections", "an entry is incomplete");
    }
    view.name = section->name()->str();
    const bool twice =
        std::ranges::any_of(out, [&](const SectionView& other) { return other.name == view.name; });
    const std::uint64_t begin = aligned(end);
    if (twice || section->offset() != begin || begin > header.file_size ||
        section->size() > header.file_size - begin) {
      invalid("the engine's table of sections",
              "section \"" + view.name + "\" is not where it must be");
    }
    const std::uint64_t count = (section->size() + kChunk - 1) / kChunk;
    if (section->chunks()->size() != count) {
      invalid("the engine's table of sections", "section \"" + view.name + "\" has " +
                                                    std::to_string(section->chunks()->size()) +
                                                    " hashes, expected " + std::to_string(count));
    }
    // The verifier of FlatBuffers looks at the place of a vector, but not at that of its elements.
    if (reinterpret_cast<std::uintptr_t>(section->chunks()->Data()) % alignof(fbs::Hash) != 0)
      invalid("the engine's table of sections", "its hashes are not aligned");
    for (const fbs::Hash* hash : *section->chunks())
      view.chunks.push_back({hash->low(), hash->high()});
    require_zeros(at(end, begin), "before section \"" + view.name + "\"");
    end = begin + section->size();
    view.bytes = at(begin, end);
    out.push_back(std::move(view));
  }
  if (end != header.file_size) {
    invalid("the engine's table of sections", "the sections do not reach the end of the file");
  }
  return out;
}

void check_section(const SectionView& section, Bytes bytes) {
  STROP_CHECK(bytes.size() == section.bytes.size(), "the bytes of this section");
  const auto chunk = [&](std::size_t i) {
    const std::size_t begin = i * static_cast<std::size_t>(kChunk);
    return bytes.subspan(begin, std::min(static_cast<std::size_t>(kChunk), bytes.size() - begin));
  };
  const std::size_t count = section.chunks.size();
  std::atomic<std::size_t> first_bad{count};
  const auto check = [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (hash_of(chunk(i)) == section.chunks[i]) continue;
      std::size_t known = first_bad.load();
      while (i < known && !first_bad.compare_exchange_weak(known, i)) {
      }
      return;
    }
  };
  // A small engine is hashed in less time than threads take to start.
  constexpr std::size_t kParallelFrom = 16;
  if (count < kParallelFrom) {
    check(0, static_cast<std::int64_t>(count));
  } else {
    parallel_for(static_cast<std::int64_t>(count), 4, check);
  }
  if (first_bad < count) {
    corrupted("the engine is damaged in section \"" + section.name + "\"",
              "bytes " + std::to_string(first_bad * static_cast<std::size_t>(kChunk)) +
                  " and following of it do not match their hash");
  }
}

}  // namespace strop::engine_layout

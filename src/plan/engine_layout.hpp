// SPDX-License-Identifier: Apache-2.0
// The bytes of an engine file below their meaning: a readable header, a hashed table, sections of
// hashed chunks. docs/engine-file.md is the format. Every bit of a file is under a hash or must be
// what it is, so a changed one is always found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strop::engine_layout {

using Bytes = std::span<const std::byte>;

inline constexpr std::uint32_t kFormat = 2;
inline constexpr std::int64_t kAlignment = 64;      // of the table and of every section
inline constexpr std::int64_t kChunk = 1 << 20;     // bytes under one hash
inline constexpr std::size_t kPreambleBytes = 195;  // the lines before the JSON
inline constexpr std::size_t kMaxJson = 4 << 20;
inline constexpr std::size_t kMaxTable = 256 << 20;  // enough for 16 TiB of weights
inline constexpr std::size_t kMaxSections = 64;

struct Hash {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash&) const = default;
};
Hash hash_of(Bytes bytes);
std::string to_text(Hash hash);  // 32 digits

// A section to be written: the pieces one after the other.
struct Section {
  std::string name;
  std::vector<Bytes> pieces;
};

// What each chunk of a section hashes to.
std::vector<Hash> chunk_hashes(const Section& section);

// Hands the whole file to `emit`, piece by piece in order. Sections without bytes are left out.
// `table` replaces the table that follows from the sections (for tests of hostile ones). Throws
// Error(limit_exceeded).
void write_engine_bytes(std::string_view json, const std::vector<Section>& sections,
                        const std::function<void(Bytes)>& emit, const Bytes* table = nullptr);

// The header of a file, of which at least its beginning is there.
struct Header {
  std::uint64_t file_size = 0;
  std::string_view json;  // within the given bytes
  std::uint64_t table_offset = 0;
  std::uint64_t table_size = 0;
  Hash table_hash;
  std::string content_id;  // 32 digits; differs whenever any byte of the file does
};
// Throws Error not_an_engine, engine_truncated, engine_corrupted, engine_newer_format.
Header read_header(Bytes file);

struct SectionView {
  std::string name;
  Bytes bytes;
  std::vector<Hash> chunks;
};
// Header checked, table checked, gaps zero, sections one after the other to the end of the file.
// Contents of sections are not yet checked.
std::vector<SectionView> read_sections(Bytes file, const Header& header);
// Throws Error(engine_corrupted) naming the section and the chunk, the first that is wrong.
void check_section(const SectionView& section, Bytes bytes);

}  // namespace strop::engine_layout

// SPDX-License-Identifier: Apache-2.0
// The bytes of a regular file, read-only. Nothing else is opened: a directory, a FIFO or a device
// is an error and never waits.
//
// A mapping shows what others do to the file. If it is cut short, or its disk fails, touching the
// lost part would kill the process (SIGBUS on POSIX); a process-wide guard puts zeros there instead
// and remembers it, and `check_unchanged` then throws. The guard chains to the handler it found; a
// program that replaces the SIGBUS handler later and does not chain takes the guard away. If the
// file is overwritten in place, bytes can change between two reads of them: whoever takes offsets
// or sizes from a file, checks them and then relies on them wants FileAccess::copy. On Windows a
// mapped file cannot be cut short or written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>

namespace strop::os {

enum class FileAccess : std::uint8_t {
  copy,  // own memory
  map,   // mapped from kMapFrom bytes on, copied below
};

inline constexpr std::int64_t kMapFrom = std::int64_t{1} << 20;
inline constexpr std::int64_t kNoByteLimit = std::numeric_limits<std::int64_t>::max();

// Copies share the bytes. Safe from any thread.
class FileView {
 public:
  struct Mapping;

  FileView() = default;
  FileView(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
           std::shared_ptr<const Mapping> mapping)
      : bytes_(bytes), owner_(std::move(owner)), mapping_(std::move(mapping)) {}

  std::span<const std::byte> bytes() const { return bytes_; }
  std::int64_t size() const { return static_cast<std::int64_t>(bytes_.size()); }
  // Keeps the bytes alive.
  const std::shared_ptr<const void>& owner() const { return owner_; }
  bool mapped() const { return mapping_ != nullptr; }
  // Throws Error(file_unreadable) if the file was changed, or could not be read in full, since it
  // was mapped. Call it when all that matters has been read.
  void check_unchanged() const;
  // Part of it; the caller has checked that it lies within.
  FileView part(std::int64_t offset, std::int64_t length) const;

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const Mapping> mapping_;  // null for a copy
};

// Path in UTF-8. Throws Error: file_not_found; file_unreadable with the system's reason;
// out_of_memory; limit_exceeded if the file has more than `max_bytes`.
FileView read_file(const std::string& path, FileAccess access,
                   std::int64_t max_bytes = kNoByteLimit);

}  // namespace strop::os

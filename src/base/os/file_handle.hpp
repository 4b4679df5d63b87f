// SPDX-License-Identifier: Apache-2.0
// An open regular file and what the readers of this folder share. Not for use outside os/.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/os/mapped_file.hpp"

namespace strop::os {

// Size and time of the last change: what tells that a file is still the same.
struct FileState {
  std::int64_t size = 0;
  std::int64_t changed = 0;
  bool operator==(const FileState&) const = default;
};

// Owns a descriptor (a HANDLE on Windows).
class FileHandle {
 public:
  explicit FileHandle(std::intptr_t native = -1) : native_(native) {}
  FileHandle(FileHandle&& other) noexcept : native_(std::exchange(other.native_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  ~FileHandle();

  bool open() const { return native_ != -1; }
  std::intptr_t native() const { return native_; }

 private:
  std::intptr_t native_;
};

// The whole file as FileAccess says. `path` is for messages; failures have `code`, but for
// out_of_memory and limit_exceeded.
FileView view_file(FileHandle file, const std::string& path, FileAccess access,
                   std::int64_t max_bytes, ErrorCode code);

// For view_file of each system: own memory for `size` bytes. Throws Error(out_of_memory).
std::pair<std::byte*, std::shared_ptr<const void>> allocate_for_file(std::int64_t size,
                                                                     const std::string& path);
[[noreturn]] void throw_file_limit(const std::string& path, std::int64_t size,
                                   std::int64_t max_bytes);
[[noreturn]] void throw_file_shrank(const std::string& path, std::int64_t size, ErrorCode code);
// Text from outside in a message: no control characters, at most 200 bytes.
std::string printable(std::string_view text);

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all. Bytes go to an unnamed file (or one with an
// unpredictable name) in the target's folder; commit puts them on disk and then in the target's
// place in one step. Whoever reads the path, also after the process was killed at any moment, sees
// the old content or the new, never a part. A link at the path is replaced, not followed; what is
// neither a file nor a link there (a folder, a device) is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace strop::os {

class AtomicFile {
 public:
  // Throws Error(file_unwritable) with the path and the system's reason; so do the others.
  explicit AtomicFile(const std::string& path);
  // Without commit nothing is left behind.
  ~AtomicFile();
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  std::int64_t size() const { return size_; }  // written so far
  void commit();                               // once, last

 private:
  struct Target;
  std::unique_ptr<Target> target_;
  std::int64_t size_ = 0;
};

void write_file(const std::string& path, std::span<const std::byte> bytes);
void write_file(const std::string& path, std::string_view text);

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
// The one opener of files that a model names. A name is data from outside: it may only lead to a
// regular file, with one hard link, strictly inside the folder, by no symbolic link. Nothing
// outside is ever opened, not even to look. POSIX: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS),
// or a walk with O_NOFOLLOW on kernels and in sandboxes without it. Windows has no such call: links
// are looked for on the way, and the final path is compared with the folder's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/os/mapped_file.hpp"

namespace strop::os {

// One model's folder. Keeps the files it opened, mapped where they are large, so that tensors of
// one file share it. Not for use by several threads at once.
class ExternalDataFolder {
 public:
  // `folder` is where the model lies; empty is the current folder. With `link_root`
  // (--external-data-root), symbolic links are followed where what they end at lies inside
  // link_root. Throws Error(file_not_found, file_unreadable) when one of them is no folder.
  explicit ExternalDataFolder(const std::string& folder, const std::string& link_root = {});
  ~ExternalDataFolder();
  ExternalDataFolder(ExternalDataFolder&&) noexcept;
  ExternalDataFolder& operator=(ExternalDataFolder&&) noexcept;

  // Bytes [offset, offset + length) of the file; without a length, from offset to its end. Throws
  // Error(external_data) with the name, the reason and what to do.
  FileView read(std::string_view relative, std::int64_t offset = 0,
                std::optional<std::int64_t> length = std::nullopt);
  // Throws Error(file_unreadable) if one of the files changed since; see FileView::check_unchanged.
  void check_unchanged() const;

 private:
  struct Handles;
  FileView open(const std::string& relative) const;

  std::string folder_;
  std::unique_ptr<Handles> handles_;
  std::map<std::string, FileView> opened_;
};

}  // namespace strop::os

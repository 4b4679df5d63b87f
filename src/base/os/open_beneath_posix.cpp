// SPDX-License-Identifier: Apache-2.0
#include "base/os/open_beneath.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "base/os/external_name.hpp"
#include "base/os/file_handle.hpp"

namespace strop::os {
namespace {

// From linux/openat2.h, which older systems lack.
struct OpenHow {
  std::uint64_t flags = 0;
  std::uint64_t mode = 0;
  std::uint64_t resolve = 0;
};
constexpr std::uint64_t kNoMagicLinks = 0x02;
constexpr std::uint64_t kNoSymlinks = 0x04;
constexpr std::uint64_t kBeneath = 0x08;
#if !defined(SYS_openat2)
#define SYS_openat2 437
#endif

int descriptor(const FileHandle& file) { return static_cast<int>(file.native()); }
std::string reason(int number) { return std::generic_category().message(number); }

struct Refusal {
  std::string why;
  bool link = false;  // what a link root may allow
};
Refusal refused(int number) { return {.why = reason(number)}; }
const Refusal kLink{.why = "there is a symbolic link on the way", .link = true};

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

// One open of the last step; `flags` are O_PATH or those for reading. Returns a descriptor or
// -errno.
int open_strictly_by_walk(int folder, const std::vector<std::string>& parts, int flags) {
  FileHandle held;
  int at = folder;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    // O_PATH opens a link itself, so that it can be told from a file.
    FileHandle next(openat(at, parts[i].c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next.open()) return -errno;
    struct stat status {};
    if (fstat(descriptor(next), &status) != 0) return -errno;
    if (S_ISLNK(status.st_mode)) return -ELOOP;
    if (!S_ISDIR(status.st_mode)) return -ENOTDIR;
    held = std::move(next);
    at = descriptor(held);
  }
  const int opened = openat(at, parts.back().c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
  return opened >= 0 ? opened : -errno;
}

int open_strictly(int folder, const std::vector<std::string>& parts, int flags) {
  const std::string name = join(parts);
  OpenHow how{.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC),
              .resolve = kBeneath | kNoSymlinks | kNoMagicLinks};
  // EAGAIN: a rename on the way made the kernel unsure whether the path stayed inside; its manual
  // says to try again.
  for (int attempt = 0; attempt < 32; ++attempt) {
    const long opened = syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
    if (opened >= 0) return static_cast<int>(opened);
    if (errno == EAGAIN || errno == EINTR) continue;
    // A kernel without the call, or a sandbox that forbids what it does not know.
    if (errno == ENOSYS || errno == EPERM) return open_strictly_by_walk(folder, parts, flags);
    return -errno;
  }
  return -EAGAIN;
}

// The file open for reading, or why not.
FileHandle open_file(int folder, const std::vector<std::string>& parts, Refusal& refusal) {
  // First without opening what is there: to open a FIFO or a device can wait or have effects.
  int opened = open_strictly(folder, parts, O_PATH);
  if (opened < 0) {
    refusal = opened == -ELOOP ? kLink : refused(-opened);
    return FileHandle();
  }
  const FileHandle looked_at(opened);
  struct stat first {};
  if (fstat(opened, &first) != 0) {
    refusal = refused(errno);
    return FileHandle();
  }
  if (S_ISLNK(first.st_mode)) {  // only the walk gets here
    refusal = kLink;
    return FileHandle();
  }
  if (!S_ISREG(first.st_mode)) {
    refusal = {.why = S_ISDIR(first.st_mode) ? "it is a directory" : "it is not a regular file"};
    return FileHandle();
  }
  if (first.st_nlink != 1) {
    refusal = {.why = "it has " + std::to_string(first.st_nlink) +
                      " hard links, so it may be a file from outside the folder"};
    return FileHandle();
  }
  opened = open_strictly(folder, parts, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (opened < 0) {
    refusal = opened == -ELOOP ? kLink : refused(-opened);
    return FileHandle();
  }
  FileHandle file(opened);
  struct stat second {};
  if (fstat(opened, &second) != 0 || second.st_dev != first.st_dev ||
      second.st_ino != first.st_ino || second.st_nlink != 1) {
    refusal = {.why = "it was replaced while it was opened"};
    return FileHandle();
  }
  return file;
}

FileHandle open_folder(const std::string& path) {
  const int opened = path.find('\0') == std::string::npos
                         ? ::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)
                         : (errno = EINVAL, -1);
  if (opened < 0) {
    const bool missing = errno == ENOENT;
    throw Error(missing ? ErrorCode::file_not_found : ErrorCode::file_unreadable,
                "cannot open the folder " + printable(path), reason(errno));
  }
  return FileHandle(opened);
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : std::string();
}

}  // namespace

struct ExternalDataFolder::Handles {
  FileHandle folder;
  FileHandle root;
  std::string root_path;  // absolute, without links; empty without a root
};

ExternalDataFolder::ExternalDataFolder(const std::string& folder, const std::string& link_root)
    : folder_(folder.empty() ? "." : folder), handles_(std::make_unique<Handles>()) {
  handles_->folder = open_folder(folder_);
  if (!link_root.empty()) {
    handles_->root = open_folder(link_root);
    handles_->root_path = real_path(link_root);
  }
}

ExternalDataFolder::~ExternalDataFolder() = default;
ExternalDataFolder::ExternalDataFolder(ExternalDataFolder&&) noexcept = default;
ExternalDataFolder& ExternalDataFolder::operator=(ExternalDataFolder&&) noexcept = default;

FileView ExternalDataFolder::open(const std::string& relative) const {
  const std::vector<std::string> parts = split_external_name(relative, folder_);
  Refusal refusal;
  FileHandle file = open_file(descriptor(handles_->folder), parts, refusal);
  if (!file.open() && refusal.link && !handles_->root_path.empty()) {
    // Where the links end is found out by reading links alone; then that place is opened strictly
    // beneath the root, so that links changed in between lead nowhere else.
    const std::string target = real_path(folder_ + "/" + join(parts));
    const std::string root = handles_->root_path == "/" ? "/" : handles_->root_path + "/";
    if (target.empty()) {
      refusal = {.why = "the symbolic link leads to nothing"};
    } else if (target.compare(0, root.size(), root) != 0) {
      throw_external(relative, folder_,
                     "the symbolic link ends outside " + printable(handles_->root_path),
                     "--external-data-root must name a folder that holds the file");
    } else {
      file = open_file(descriptor(handles_->root),
                       split_external_name(target.substr(root.size()), folder_), refusal);
    }
  }
  if (!file.open()) throw_external(relative, folder_, refusal.why, kCopyHint);
  return view_file(std::move(file), folder_ + "/" + join(parts), FileAccess::map, kNoByteLimit,
                   ErrorCode::external_data);
}

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
#include "base/os/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <system_error>

#include "base/os/file_handle.hpp"

namespace strop::os {
namespace {

int descriptor(const FileHandle& file) { return static_cast<int>(file.native()); }

[[noreturn]] void fail(const std::string& path, int number) {
  std::string hint;
  if (number == ENOSPC || number == EDQUOT) hint = "free space on the disk, or write elsewhere";
  if (number == ENOENT) hint = "make the folder first";
  if (number == EACCES || number == EROFS || number == EPERM)
    hint = "write to a folder that you may change";
  throw Error(ErrorCode::file_unwritable, "cannot write " + printable(path),
              std::generic_category().message(number), hint);
}

std::string unpredictable_name() {
  std::random_device device;
  char name[48];
  std::snprintf(name, sizeof name, ".strop-%08x%08x%08x.tmp", device(), device(), device());
  return name;
}

}  // namespace

struct AtomicFile::Target {
  std::string path;
  std::string name;  // last part of it
  FileHandle folder;
  FileHandle file;
  std::string temporary;  // name in the folder; empty while the file has none

  ~Target() {
    if (!temporary.empty()) unlinkat(descriptor(folder), temporary.c_str(), 0);
  }
};

AtomicFile::AtomicFile(const std::string& path) : target_(std::make_unique<Target>()) {
  Target& target = *target_;
  target.path = path;
  if (path.find('\0') != std::string::npos) fail(path, EINVAL);
  const std::size_t slash = path.rfind('/');
  target.name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (target.name.empty() || target.name == "." || target.name == "..")
    fail(path, path.empty() ? ENOENT : EISDIR);
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  target.folder = FileHandle(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!target.folder.open()) fail(path, errno);
  const int at = descriptor(target.folder);

  struct stat status {};
  if (fstatat(at, target.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(status.st_mode)) fail(path, EISDIR);
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
      throw Error(ErrorCode::file_unwritable, "cannot write " + printable(path),
                  "it is a device, a FIFO or a socket, which a file would replace",
                  "give the path of a file");
    }
  } else if (errno != ENOENT) {
    fail(path, errno);
  }

  constexpr mode_t kMode = 0666;  // less the umask
#if defined(O_TMPFILE)
  // A file without a name: gone with the process, however that ends. It gets its name through
  // /proc.
  target.file = FileHandle(openat(at, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
  if (target.file.open()) {
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor(target.file));
    if (access(link.c_str(), F_OK) == 0) return;
    target.file = FileHandle();
  }
#endif
  const std::string name = unpredictable_name();
  target.file = FileHandle(
      openat(at, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kMode));
  if (!target.file.open()) fail(path, errno);
  target.temporary = name;
}

AtomicFile::~AtomicFile() = default;
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;
AtomicFile& AtomicFile::operator=(AtomicFile&&) noexcept = default;

void AtomicFile::write(std::span<const std::byte> bytes) {
  STROP_CHECK(target_ != nullptr, "a file is written before it is committed");
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor(target_->file), bytes.data(),
                                  std::min<std::size_t>(bytes.size(), 1u << 30));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(target_->path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    size_ += count;
  }
}

void AtomicFile::commit() {
  STROP_CHECK(target_ != nullptr, "a file is committed once");
  const std::unique_ptr<Target> target = std::move(target_);
  const int at = descriptor(target->folder);
  const int file = descriptor(target->file);
  int synced = 0;
  do {
    synced = fsync(file);
  } while (synced != 0 && errno == EINTR);
  if (synced != 0) fail(target->path, errno);
  if (target->temporary.empty()) {
    const std::string name = unpredictable_name();
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    if (linkat(AT_FDCWD, link.c_str(), at, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail(target->path, errno);
    target->temporary = name;
  }
  if (renameat(at, target->temporary.c_str(), at, target->name.c_str()) != 0)
    fail(target->path, errno);
  target->temporary.clear();
  // The name is on disk once the folder is. Where a file system cannot do that, the file is still
  // whole.
  fsync(at);
}

}  // namespace strop::os

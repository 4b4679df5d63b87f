// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/os/file_handle.hpp"
#include "base/os/mapped_file.hpp"
#include "base/os/sigbus_guard.hpp"

namespace strop::os {
namespace {

std::string reason(int number) { return std::generic_category().message(number); }

int descriptor(const FileHandle& file) { return static_cast<int>(file.native()); }

FileState state_of(const struct stat& status) {
  return {.size = status.st_size,
          .changed = static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 +
                     status.st_mtim.tv_nsec};
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a directory";
  if (S_ISFIFO(mode)) return "it is a FIFO";
  if (S_ISSOCK(mode)) return "it is a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "it is a device";
  return "it is not a regular file";
}

}  // namespace

namespace {

struct MappedMemory {
  MappedMemory(void* begin, std::size_t bytes) : address(begin), length(bytes) {}
  ~MappedMemory() { munmap(address, length); }
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  void* address;
  std::size_t length;
};

}  // namespace

struct FileView::Mapping {
  Mapping(FileHandle of, std::string name, FileState at_open, void* begin, std::size_t bytes)
      : file(std::move(of)),
        path(std::move(name)),
        state(at_open),
        memory(begin, bytes),
        guard(begin, bytes) {}

  FileHandle file;
  std::string path;
  FileState state;
  MappedMemory memory;
  SigbusGuard guard;  // last: it must let go of the addresses before they are free
};

FileHandle::~FileHandle() {
  if (open()) close(descriptor(*this));
}

void FileView::check_unchanged() const {
  if (!mapping_) return;
  struct stat status {};
  const bool same =
      fstat(descriptor(mapping_->file), &status) == 0 && state_of(status) == mapping_->state;
  if (same && !mapping_->guard.hit()) return;
  throw Error(
      ErrorCode::file_unreadable, "cannot rely on " + printable(mapping_->path),
      same ? "a part of it could not be read from its disk" : "it was changed while it was in use",
      same ? "check the disk, or copy the file elsewhere"
           : "let nothing write to the file while it is used");
}

FileView view_file(FileHandle file, const std::string& path, FileAccess access,
                   std::int64_t max_bytes, ErrorCode code) {
  struct stat status {};
  if (fstat(descriptor(file), &status) != 0) {
    throw Error(code, "cannot read " + printable(path), reason(errno));
  }
  if (!S_ISREG(status.st_mode))
    throw Error(code, "cannot read " + printable(path), kind_of(status.st_mode));
  const FileState state = state_of(status);
  if (state.size > max_bytes) throw_file_limit(path, state.size, max_bytes);
  if (state.size == 0) return {};

  const auto length = static_cast<std::size_t>(state.size);
  if (access == FileAccess::map && state.size >= kMapFrom) {
    void* address = mmap(nullptr, length, PROT_READ, MAP_PRIVATE, descriptor(file), 0);
    if (address != MAP_FAILED) {
      auto mapping =
          std::make_shared<FileView::Mapping>(std::move(file), path, state, address, length);
      if (mapping->guard.holds()) {
        return {{static_cast<const std::byte*>(address), length}, mapping, mapping};
      }
      file = std::move(mapping->file);
    }
    // Not every file system maps, and guards are limited: then it is copied.
  }

  auto [memory, owner] = allocate_for_file(state.size, path);
  std::size_t done = 0;
  while (done < length) {
    const ssize_t count =
        pread(descriptor(file), memory + done, std::min<std::size_t>(length - done, 1u << 30),
              static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(code, "cannot read " + printable(path), reason(errno));
    if (count == 0) throw_file_shrank(path, state.size, code);
    done += static_cast<std::size_t>(count);
  }
  return {{memory, length}, owner, nullptr};
}

FileView read_file(const std::string& path, FileAccess access, std::int64_t max_bytes) {
  const auto fail = [&](int number) {
    const bool missing = number == ENOENT || number == ENOTDIR;
    throw Error(missing ? ErrorCode::file_not_found : ErrorCode::file_unreadable,
                "cannot open " + printable(path), reason(number));
  };
  if (path.find('\0') != std::string::npos) fail(EINVAL);
  // Looked at before it is opened, as opening a device can have effects; then again, as it may have
  // been replaced.
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) fail(errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::file_unreadable, "cannot read " + printable(path),
                kind_of(status.st_mode), "give the path of a regular file");
  }
  int native = -1;
  do {
    native = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (native < 0 && errno == EINTR);
  if (native < 0) fail(errno);
  return view_file(FileHandle(native), path, access, max_bytes, ErrorCode::file_unreadable);
}

}  // namespace strop::os

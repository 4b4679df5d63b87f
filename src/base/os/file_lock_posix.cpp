// SPDX-License-Identifier: Apache-2.0
// The lock is on the file at the path. Whoever writes it puts another file in its place, so a lock
// that was waited for may be on a file that is no longer there: then it is taken again.
#include "base/os/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/os/file_handle.hpp"

namespace strop::os {

struct FileLock::Held {
  FileHandle file;
};

FileLock::FileLock(const std::string& path) {
  if (path.find('\0') != std::string::npos) return;
  for (;;) {
    struct stat there {};
    // Opening a device can have effects, and a FIFO has no end.
    if (stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) return;
    FileHandle file(
        ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666));
    if (!file.open()) return;
    const int descriptor = static_cast<int>(file.native());
    int locked = 0;
    do {
      locked = flock(descriptor, LOCK_EX);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0) return;
    struct stat mine {};
    if (fstat(descriptor, &mine) != 0) return;
    if (stat(path.c_str(), &there) == 0 && there.st_dev == mine.st_dev &&
        there.st_ino == mine.st_ino) {
      held_ = std::make_unique<Held>(Held{std::move(file)});
      return;
    }
  }
}

FileLock::~FileLock() = default;

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
// A file that is open cannot be replaced, so the lock is on one beside it. That one stays: were it
// deleted, one builder could hold the old and another a new one.
#include "base/os/file_lock.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "base/os/file_handle.hpp"
#include "base/os/wide_text.hpp"

namespace strop::os {

struct FileLock::Held {
  FileHandle file;
};

FileLock::FileLock(const std::string& path) {
  if (path.find('\0') != std::string::npos) return;
  const std::wstring name = to_wide(path + ".lock");
  const HANDLE handle = CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return;
  FileHandle file(reinterpret_cast<std::intptr_t>(handle));
  OVERLAPPED from_start{};
  if (LockFileEx(handle, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &from_start) == 0) return;
  held_ = std::make_unique<Held>(Held{std::move(file)});
}

FileLock::~FileLock() = default;

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
// A file that a reader holds open without allowing its deletion cannot be replaced: commit then
// fails and the old file stays. A process killed before commit leaves a file ".strop-*.tmp".
#include "base/os/atomic_file.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "base/os/file_handle.hpp"
#include "base/os/wide_text.hpp"

namespace strop::os {
namespace {

HANDLE native(const FileHandle& file) { return reinterpret_cast<HANDLE>(file.native()); }

[[noreturn]] void fail(const std::string& path, DWORD number) {
  std::string hint;
  if (number == ERROR_DISK_FULL) hint = "free space on the disk, or write elsewhere";
  if (number == ERROR_PATH_NOT_FOUND) hint = "make the folder first";
  if (number == ERROR_ACCESS_DENIED || number == ERROR_SHARING_VIOLATION) {
    hint = "write to a folder that you may change, and close what uses the file";
  }
  throw Error(ErrorCode::file_unwritable, "cannot write " + printable(path),
              windows_error_text(number), hint);
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
  std::wstring wide;
  std::wstring temporary;  // empty once it is gone
  FileHandle file;

  ~Target() {
    file = FileHandle();
    if (!temporary.empty()) DeleteFileW(temporary.c_str());
  }
};

AtomicFile::AtomicFile(const std::string& path) : target_(std::make_unique<Target>()) {
  Target& target = *target_;
  target.path = path;
  target.wide = to_wide(path);
  if (path.empty() || path.find('\0') != std::string::npos) fail(path, ERROR_INVALID_NAME);
  const DWORD attributes = GetFileAttributesW(target.wide.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES &&
      (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) != 0) {
    throw Error(ErrorCode::file_unwritable, "cannot write " + printable(path),
                "it is a directory or a device", "give the path of a file");
  }
  const std::size_t slash = target.wide.find_last_of(L"/\\");
  target.temporary =
      (slash == std::wstring::npos ? std::wstring() : target.wide.substr(0, slash + 1)) +
      to_wide(unpredictable_name());
  const HANDLE handle = CreateFileW(target.temporary.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == INVALID_HANDLE_VALUE) {
    const DWORD number = GetLastError();
    target.temporary.clear();
    fail(path, number);
  }
  target.file = FileHandle(reinterpret_cast<std::intptr_t>(handle));
}

AtomicFile::~AtomicFile() = default;
AtomicFile::AtomicFile(AtomicFile&&) noexcept = default;
AtomicFile& AtomicFile::operator=(AtomicFile&&) noexcept = default;

void AtomicFile::write(std::span<const std::byte> bytes) {
  STROP_CHECK(target_ != nullptr, "a file is written before it is committed");
  while (!bytes.empty()) {
    DWORD count = 0;
    const auto wanted = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1u << 30));
    if (WriteFile(native(target_->file), bytes.data(), wanted, &count, nullptr) == 0) {
      fail(target_->path, GetLastError());
    }
    bytes = bytes.subspan(count);
    size_ += count;
  }
}

void AtomicFile::commit() {
  STROP_CHECK(target_ != nullptr, "a file is committed once");
  const std::unique_ptr<Target> target = std::move(target_);
  if (FlushFileBuffers(native(target->file)) == 0) fail(target->path, GetLastError());
  target->file = FileHandle();
  if (MoveFileExW(target->temporary.c_str(), target->wide.c_str(),
                  MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) == 0) {
    fail(target->path, GetLastError());
  }
  target->temporary.clear();
}

}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
#include "base/os/mapped_file.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <algorithm>

#include "base/os/file_handle.hpp"
#include "base/os/wide_text.hpp"

namespace strop::os {
namespace {

HANDLE native(const FileHandle& file) { return reinterpret_cast<HANDLE>(file.native()); }

}  // namespace

struct FileView::Mapping {
  explicit Mapping(void* begin) : address(begin) {}
  ~Mapping() { UnmapViewOfFile(address); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* address;
};

FileHandle::~FileHandle() {
  if (open()) CloseHandle(reinterpret_cast<HANDLE>(native_));
}

// The system refuses to write to, or to shorten, a file that is mapped.
void FileView::check_unchanged() const {}

FileView view_file(FileHandle file, const std::string& path, FileAccess access,
                   std::int64_t max_bytes, ErrorCode code) {
  LARGE_INTEGER size{};
  if (GetFileType(native(file)) != FILE_TYPE_DISK) {
    throw Error(code, "cannot read " + printable(path), "it is not a regular file");
  }
  if (GetFileSizeEx(native(file), &size) == 0) {
    throw Error(code, "cannot read " + printable(path), windows_error_text(GetLastError()));
  }
  if (size.QuadPart > max_bytes) throw_file_limit(path, size.QuadPart, max_bytes);
  if (size.QuadPart == 0) return {};

  const auto length = static_cast<std::size_t>(size.QuadPart);
  if (access == FileAccess::map && size.QuadPart >= kMapFrom) {
    const HANDLE section = CreateFileMappingW(native(file), nullptr, PAGE_READONLY, 0, 0, nullptr);
    if (section != nullptr) {
      void* address = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
      CloseHandle(section);  // the view keeps it
      if (address != nullptr) {
        auto mapping = std::make_shared<const FileView::Mapping>(address);
        return {{static_cast<const std::byte*>(address), length}, mapping, mapping};
      }
    }
    // Not every file system maps: then it is copied.
  }

  auto [memory, owner] = allocate_for_file(size.QuadPart, path);
  std::size_t done = 0;
  while (done < length) {
    DWORD count = 0;
    const auto wanted = static_cast<DWORD>(std::min<std::size_t>(length - done, 1u << 30));
    if (ReadFile(native(file), memory + done, wanted, &count, nullptr) == 0) {
      throw Error(code, "cannot read " + printable(path), windows_error_text(GetLastError()));
    }
    if (count == 0) throw_file_shrank(path, size.QuadPart, code);
    done += count;
  }
  return {{memory, length}, owner, nullptr};
}

FileView read_file(const std::string& path, FileAccess access, std::int64_t max_bytes) {
  const std::wstring wide = to_wide(path);
  const HANDLE handle =
      path.find('\0') == std::string::npos
          ? CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                        OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr)
          : (SetLastError(ERROR_INVALID_NAME), INVALID_HANDLE_VALUE);
  if (handle == INVALID_HANDLE_VALUE) {
    const DWORD number = GetLastError();
    const DWORD attributes = GetFileAttributesW(wide.c_str());
    const bool directory =
        attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    const bool missing = number == ERROR_FILE_NOT_FOUND || number == ERROR_PATH_NOT_FOUND;
    throw Error(missing ? ErrorCode::file_not_found : ErrorCode::file_unreadable,
                "cannot open " + printable(path),
                directory ? "it is a directory" : windows_error_text(number));
  }
  return view_file(FileHandle(reinterpret_cast<std::intptr_t>(handle)), path, access, max_bytes,
                   ErrorCode::file_unreadable);
}

}  // namespace strop::os

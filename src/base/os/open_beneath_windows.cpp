// SPDX-License-Identifier: Apache-2.0
// Best effort: between the look at a folder on the way and the open, a link can take its place; the
// comparison of the final paths then still refuses what lies outside.
#include "base/os/open_beneath.hpp"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "base/os/external_name.hpp"
#include "base/os/file_handle.hpp"
#include "base/os/wide_text.hpp"

namespace strop::os {
namespace {

HANDLE native(const FileHandle& file) { return reinterpret_cast<HANDLE>(file.native()); }

FileHandle open_native(const std::wstring& path, DWORD access, DWORD flags) {
  const HANDLE handle = CreateFileW(path.c_str(), access, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                    nullptr, OPEN_EXISTING, flags, nullptr);
  return FileHandle(reinterpret_cast<std::intptr_t>(handle));
}

std::wstring final_path(const FileHandle& file) {
  std::wstring path(32768, L'\0');
  path.resize(
      GetFinalPathNameByHandleW(native(file), path.data(), static_cast<DWORD>(path.size()), 0));
  return path;
}

std::wstring open_folder(const std::string& path) {
  const FileHandle folder = open_native(to_wide(path), 0, FILE_FLAG_BACKUP_SEMANTICS);
  BY_HANDLE_FILE_INFORMATION info{};
  if (!folder.open() || GetFileInformationByHandle(native(folder), &info) == 0 ||
      (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
    throw Error(folder.open() ? ErrorCode::file_unreadable : ErrorCode::file_not_found,
                "cannot open the folder " + printable(path),
                folder.open() ? "it is not a folder" : windows_error_text(GetLastError()));
  }
  return final_path(folder);
}

bool inside(const std::wstring& path, const std::wstring& folder) {
  return path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
         (folder.back() == L'\\' || path[folder.size()] == L'\\');
}

}  // namespace

struct ExternalDataFolder::Handles {
  std::wstring folder;  // final paths
  std::wstring root;    // empty without one
};

ExternalDataFolder::ExternalDataFolder(const std::string& folder, const std::string& link_root)
    : folder_(folder.empty() ? "." : folder), handles_(std::make_unique<Handles>()) {
  handles_->folder = open_folder(folder_);
  if (!link_root.empty()) handles_->root = open_folder(link_root);
}

ExternalDataFolder::~ExternalDataFolder() = default;
ExternalDataFolder::ExternalDataFolder(ExternalDataFolder&&) noexcept = default;
ExternalDataFolder& ExternalDataFolder::operator=(ExternalDataFolder&&) noexcept = default;

FileView ExternalDataFolder::open(const std::string& relative) const {
  const auto refuse = [&](const std::string& why) {
    throw_external(relative, folder_, why, kCopyHint);
  };
  std::wstring path = handles_->folder;
  bool link = false;
  for (const std::string& part : split_external_name(relative, folder_)) {
    path += L'\\';
    path += to_wide(part);
    const DWORD attributes = GetFileAttributesW(path.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) refuse(windows_error_text(GetLastError()));
    link = link || (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
  }
  if (link && handles_->root.empty()) refuse("there is a link on the way");
  FileHandle file = open_native(
      path, GENERIC_READ, FILE_FLAG_BACKUP_SEMANTICS | (link ? 0 : FILE_FLAG_OPEN_REPARSE_POINT));
  BY_HANDLE_FILE_INFORMATION info{};
  if (!file.open() || GetFileInformationByHandle(native(file), &info) == 0) {
    refuse(windows_error_text(GetLastError()));
  }
  if ((info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) refuse("it is a directory");
  if ((info.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) refuse("it is a link");
  if (GetFileType(native(file)) != FILE_TYPE_DISK) refuse("it is not a regular file");
  if (info.nNumberOfLinks != 1)
    refuse("it has several hard links, so it may be a file from outside the folder");
  if (!inside(final_path(file), link ? handles_->root : handles_->folder)) {
    refuse(link ? "the link ends outside the folder of --external-data-root"
                : "it lies outside the folder");
  }
  return view_file(std::move(file), to_utf8(path), FileAccess::map, kNoByteLimit,
                   ErrorCode::external_data);
}

}  // namespace strop::os

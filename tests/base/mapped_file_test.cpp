// SPDX-License-Identifier: Apache-2.0
#include "base/os/mapped_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_folder.hpp"

namespace strop::os {
namespace {

using strop::testing::in_child;
using strop::testing::TemporaryFolder;

constexpr std::size_t kLarge = (1u << 20) + 12345;

std::string_view text(const FileView& view) {
  return {reinterpret_cast<const char*>(view.bytes().data()), view.bytes().size()};
}

ErrorCode code_of(const std::string& path, std::int64_t limit = kNoByteLimit) {
  for (const FileAccess access : {FileAccess::copy, FileAccess::map}) {
    try {
      read_file(path, access, limit);
    } catch (const Error& error) {
      if (access == FileAccess::map) return error.code();
    }
  }
  return ErrorCode::ok;
}

TEST(MappedFile, small_files_are_copied_and_large_ones_mapped) {
  const TemporaryFolder folder;
  const std::string small = folder.file("small", "twelve bytes");
  const std::string content(kLarge, 'x');
  const std::string large = folder.file("large", content);
  for (const FileAccess access : {FileAccess::copy, FileAccess::map}) {
    const FileView view = read_file(small, access);
    EXPECT_EQ(text(view), "twelve bytes");
    EXPECT_FALSE(view.mapped());
    view.check_unchanged();
  }
  EXPECT_FALSE(read_file(large, FileAccess::copy).mapped());
  EXPECT_EQ(text(read_file(large, FileAccess::copy)), content);
  const FileView view = read_file(large, FileAccess::map);
  EXPECT_TRUE(view.mapped());
  EXPECT_EQ(text(view), content);
  view.check_unchanged();
  EXPECT_EQ(text(view.part(5, 7)), "xxxxxxx");
  EXPECT_THROW(view.part(5, static_cast<std::int64_t>(kLarge)), Error);
  EXPECT_EQ(read_file(folder.file("empty", ""), FileAccess::map).size(), 0);
}

TEST(MappedFile, bytes_outlive_the_view_by_their_owner) {
  const TemporaryFolder folder;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  {
    const FileView view =
        read_file(folder.file("large", std::string(kLarge, 'x')), FileAccess::map).part(10, 100);
    bytes = view.bytes();
    owner = view.owner();
  }
  EXPECT_EQ(std::to_integer<char>(bytes[99]), 'x');
}

TEST(MappedFile, only_regular_files_are_opened) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(code_of(folder.path("absent")), ErrorCode::file_not_found);
  EXPECT_EQ(code_of(folder.path("fifo")), ErrorCode::file_unreadable);
  EXPECT_EQ(code_of(folder.path()), ErrorCode::file_unreadable);
  EXPECT_EQ(code_of("/dev/zero"), ErrorCode::file_unreadable);
  EXPECT_EQ(code_of(folder.file("file", "1") + "/below"), ErrorCode::file_not_found);
  EXPECT_EQ(code_of(std::string("a\0b", 3)), ErrorCode::file_unreadable);
  EXPECT_EQ(code_of(""), ErrorCode::file_not_found);
  EXPECT_EQ(code_of(folder.path("file"), 0), ErrorCode::limit_exceeded);
  EXPECT_EQ(code_of(folder.path("file"), 1), ErrorCode::ok);
  try {
    read_file(folder.path(), FileAccess::map);
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("directory"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find(folder.path()), std::string::npos) << error.message();
  }
}

TEST(MappedFile, truncation_gives_zeros_and_an_error_instead_of_death) {
  const TemporaryFolder folder;
  const std::string path = folder.file("large", std::string(kLarge, 'x'));
  const FileView view = read_file(path, FileAccess::map);
  const FileView other = read_file(folder.file("other", std::string(kLarge, 'y')), FileAccess::map);
  ASSERT_EQ(truncate(path.c_str(), 4096), 0);
  EXPECT_EQ(text(view)[4095], 'x');
  EXPECT_EQ(text(view)[500000], '\0');
  EXPECT_EQ(text(view)[kLarge - 1], '\0');
  EXPECT_THROW(view.check_unchanged(), Error);
  EXPECT_EQ(text(other)[kLarge - 1], 'y');
  other.check_unchanged();
}

TEST(MappedFile, change_in_place_is_noticed) {
  const TemporaryFolder folder;
  const std::string path = folder.file("large", std::string(kLarge, 'x'));
  const FileView view = read_file(path, FileAccess::map);
  const timespec times[2] = {{1, 0}, {1, 0}};
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file << "changed";
  }
  // The clock of file times is coarse; the write above may fall into the tick of the first.
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_THROW(view.check_unchanged(), Error);
}

TEST(MappedFile, bus_error_elsewhere_still_ends_the_process) {
  const TemporaryFolder folder;
  const std::string path = folder.file("large", std::string(kLarge, 'x'));
  const std::string foreign = folder.file("foreign", std::string(8192, 'x'));
  const FileView view = read_file(path, FileAccess::map);
  const int result = in_child([&] {
    const int file = open(foreign.c_str(), O_RDONLY);
    const auto* mapped =
        static_cast<const volatile char*>(mmap(nullptr, 8192, PROT_READ, MAP_SHARED, file, 0));
    if (truncate(foreign.c_str(), 0) != 0) return 2;
    return mapped[0] == 'x' ? 3 : 4;
  });
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_EQ(result, 1) << "the handler found before, the sanitizer's, reports and exits";
#else
  EXPECT_EQ(result, 128 + SIGBUS);
#endif
}

TEST(MappedFile, more_mappings_than_guards_fall_back_to_copies) {
  const TemporaryFolder folder;
  const std::string path = folder.file("large", std::string(kLarge, 'x'));
  std::vector<FileView> views;
  bool copied = false;
  for (int i = 0; i < 1030; ++i) {
    views.push_back(read_file(path, FileAccess::map));
    copied = copied || !views.back().mapped();
    ASSERT_EQ(text(views.back())[kLarge - 1], 'x');
  }
  EXPECT_TRUE(copied);
  views.clear();
  EXPECT_TRUE(read_file(path, FileAccess::map).mapped());
}

}  // namespace
}  // namespace strop::os

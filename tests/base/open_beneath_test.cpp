// SPDX-License-Identifier: Apache-2.0
#include "base/os/open_beneath.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_folder.hpp"

namespace strop::os {
namespace {

using strop::testing::fail_system_call;
using strop::testing::in_child;
using strop::testing::kNoFilter;
using strop::testing::TemporaryFolder;
namespace fs = std::filesystem;

std::string text(const FileView& view) {
  return {reinterpret_cast<const char*>(view.bytes().data()), view.bytes().size()};
}

// A model's folder "model" with everything in it that a name could lead to, beside a file that no
// name may reach.
class OpenBeneath : public ::testing::Test {
 protected:
  OpenBeneath() {
    files_.file("model/weights.bin", "0123456789");
    files_.file("model/sub/deep/weights.bin", "deep");
    files_.file("outside.bin", "secret");
    files_.file("model/hard.bin", "hard");
    fs::create_hard_link(files_.path("model/hard.bin"), files_.path("hard_elsewhere.bin"));
    fs::create_symlink("weights.bin", files_.path("model/link_inside"));
    fs::create_symlink("../outside.bin", files_.path("model/link_outside"));
    fs::create_symlink(files_.path("outside.bin"), files_.path("model/link_absolute"));
    fs::create_directory_symlink("sub", files_.path("model/folder_link"));
    fs::create_directory_symlink("..", files_.path("model/parent_link"));
    fs::create_symlink("nowhere", files_.path("model/link_broken"));
    fs::create_symlink("/proc/self/exe", files_.path("model/link_magic"));
    EXPECT_EQ(mkfifo(files_.path("model/fifo").c_str(), 0600), 0);
    has_device_ = mknod(files_.path("model/device").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0;
  }

  static dev_t makedev(unsigned major, unsigned minor) {
    return static_cast<dev_t>((major << 8) | minor);
  }

  struct Refusal {
    std::string name;
    std::string reason;  // a part of the message
  };
  std::vector<Refusal> refusals() const {
    std::vector<Refusal> all = {
        {"", "empty"},
        {"..", "\"..\""},
        {"../outside.bin", "\"..\""},
        {"sub/../../outside.bin", "\"..\""},
        {"sub/../weights.bin", "\"..\""},
        {files_.path("outside.bin"), "absolute"},
        {files_.path("model/weights.bin"), "absolute"},
        {"/etc/passwd", "absolute"},
        {std::string("weights.bin\0x", 13), "NUL"},
        {"link_inside", "link"},
        {"link_outside", "link"},
        {"link_absolute", "link"},
        {"link_broken", "link"},
        {"link_magic", "link"},
        {"folder_link/deep/weights.bin", "link"},
        {"parent_link/outside.bin", "link"},
        {"hard.bin", "hard links"},
        {"fifo", "not a regular file"},
        {"sub", "directory"},
        {"sub/", "directory"},
        {".", "directory"},
        {"./", "directory"},
        {"absent.bin", "No such file"},
        {"weights.bin/below", "Not a directory"},
        {std::string(5000, 'a'), "too long"},
    };
    if (has_device_) all.push_back({"device", "not a regular file"});
    return all;
  }

  // What is wrong; nothing is right.
  std::string check_all() const {
    std::string wrong;
    ExternalDataFolder folder(files_.path("model"));
    for (const Refusal& refusal : refusals()) {
      try {
        folder.read(refusal.name);
        wrong += refusal.name + " was read\n";
      } catch (const Error& error) {
        if (error.code() != ErrorCode::external_data ||
            error.message().find(refusal.reason) == std::string::npos ||
            error.diagnostics()[0].hint.empty()) {
          wrong += refusal.name + ": " + error.message() + "\n";
        }
      }
    }
    for (const char* name : {"weights.bin", "./weights.bin", ".//weights.bin"}) {
      if (text(folder.read(name)) != "0123456789") wrong += std::string(name) + " was misread\n";
    }
    if (text(folder.read("sub/deep/weights.bin")) != "deep")
      wrong += "the file below was misread\n";
    return wrong;
  }

  TemporaryFolder files_;
  bool has_device_ = false;
};

TEST_F(OpenBeneath, only_regular_files_inside_are_read) { EXPECT_EQ(check_all(), ""); }

TEST_F(OpenBeneath, the_walk_of_older_kernels_and_sandboxes_refuses_the_same) {
  for (const int error : {ENOSYS, EPERM}) {
    const int result = in_child([&] {
      if (!fail_system_call(SYS_openat2, error)) return kNoFilter;
      const std::string wrong = check_all();
      std::fputs(wrong.c_str(), stderr);
      return wrong.empty() ? 0 : 1;
    });
    if (result == kNoFilter) GTEST_SKIP() << "no system call filters here";
    EXPECT_EQ(result, 0);
  }
}

TEST_F(OpenBeneath, ranges_stay_inside_the_file) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  ExternalDataFolder folder(files_.path("model"));
  EXPECT_EQ(text(folder.read("weights.bin", 2, 3)), "234");
  EXPECT_EQ(text(folder.read("weights.bin", 7)), "789");
  EXPECT_EQ(text(folder.read("weights.bin", 10, 0)), "");
  EXPECT_EQ(text(folder.read("weights.bin", 0, 10)), "0123456789");
  const std::pair<std::int64_t, std::optional<std::int64_t>> bad[] = {
      {0, 11}, {1, 10},      {11, 0},   {11, std::nullopt}, {-1, 1},
      {0, -1}, {kMax, kMax}, {1, kMax}, {kMax, 1},          {-kMax, kMax},
  };
  for (const auto& [offset, length] : bad) {
    EXPECT_THROW(folder.read("weights.bin", offset, length), Error) << offset;
  }
  folder.check_unchanged();
}

TEST_F(OpenBeneath, link_root_allows_links_that_end_inside_it) {
  ExternalDataFolder folder(files_.path("model"), files_.path("model"));
  EXPECT_EQ(text(folder.read("link_inside")), "0123456789");
  EXPECT_EQ(text(folder.read("folder_link/deep/weights.bin")), "deep");
  for (const char* name : {"link_outside", "link_absolute", "link_broken", "link_magic",
                           "parent_link/outside.bin", "../outside.bin", "hard.bin", "fifo"}) {
    EXPECT_THROW(folder.read(name), Error) << name;
  }
  ExternalDataFolder wide(files_.path("model"), files_.path());
  EXPECT_EQ(text(wide.read("link_outside")), "secret");
  EXPECT_EQ(text(wide.read("link_absolute")), "secret");
  EXPECT_EQ(text(wide.read("parent_link/outside.bin")), "secret");
  for (const char* name : {"link_magic", "../outside.bin", "hard.bin"}) {
    EXPECT_THROW(wide.read(name), Error) << name;
  }
}

// The layout of a hub's cache: names are links to files named by their hash.
TEST_F(OpenBeneath, hub_cache_layout_is_read_with_its_root) {
  files_.file("hub/blobs/abc", "blob");
  fs::create_directories(files_.path("hub/snapshots/main"));
  fs::create_symlink("../../blobs/abc", files_.path("hub/snapshots/main/model.onnx_data"));
  ExternalDataFolder strict(files_.path("hub/snapshots/main"));
  EXPECT_THROW(strict.read("model.onnx_data"), Error);
  ExternalDataFolder rooted(files_.path("hub/snapshots/main"), files_.path("hub"));
  EXPECT_EQ(text(rooted.read("model.onnx_data")), "blob");
  fs::create_directory_symlink(files_.path("hub/snapshots/main"), files_.path("latest"));
  ExternalDataFolder through_link(files_.path("latest"), files_.path("hub"));
  EXPECT_EQ(text(through_link.read("model.onnx_data")), "blob");
}

TEST_F(OpenBeneath, missing_folder_is_an_error) {
  EXPECT_THROW(ExternalDataFolder(files_.path("absent")), Error);
  EXPECT_THROW(ExternalDataFolder(files_.path("outside.bin")), Error);
  EXPECT_THROW(ExternalDataFolder(files_.path("model"), files_.path("absent")), Error);
}

TEST_F(OpenBeneath, message_escapes_what_the_name_contains) {
  ExternalDataFolder folder(files_.path("model"));
  try {
    folder.read("a\nforged line\x1b[31m");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.diagnostics()[0].what.find('\n'), std::string::npos);
    EXPECT_EQ(error.diagnostics()[0].what.find('\x1b'), std::string::npos);
  }
}

TEST_F(OpenBeneath, message_names_the_file_in_full) {
  ExternalDataFolder folder(files_.path("model"));
  try {
    folder.read("sub/../weights.bin");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("\"sub/../weights.bin\""), std::string::npos) << error.message();
  }
}

TEST_F(OpenBeneath, tensors_of_one_large_file_share_its_mapping) {
  files_.file("model/large.bin", std::string(2u << 20, 'x'));
  ExternalDataFolder folder(files_.path("model"));
  const FileView first = folder.read("large.bin", 0, 16);
  const FileView second = folder.read("large.bin", 16, 16);
  EXPECT_TRUE(first.mapped());
  EXPECT_EQ(first.owner(), second.owner());
  EXPECT_EQ(first.bytes().data() + 16, second.bytes().data());
  ASSERT_EQ(truncate(files_.path("model/large.bin").c_str(), 0), 0);
  EXPECT_THROW(folder.check_unchanged(), Error);
}

}  // namespace
}  // namespace strop::os

// SPDX-License-Identifier: Apache-2.0
#include "base/os/atomic_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <filesystem>

#include "base/error.hpp"
#include "base/kill_while_writing.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_folder.hpp"

namespace strop::os {
namespace {

using strop::testing::fail_system_call;
using strop::testing::in_child;
using strop::testing::kNoFilter;
using strop::testing::TemporaryFolder;
namespace fs = std::filesystem;

int entries(const TemporaryFolder& folder) {
  return static_cast<int>(
      std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

// 0 if all is well, else a line number. Plain checks, as it also runs in a child.
int check_whole_or_nothing() {
  const TemporaryFolder folder;
  folder.file("target", "old");
  {
    AtomicFile file(folder.path("target"));
    file.write("ne");
    file.write("w");
    if (file.size() != 3) return __LINE__;
    if (folder.content("target") != "old") return __LINE__;
    file.commit();
  }
  if (folder.content("target") != "new") return __LINE__;
  {
    AtomicFile abandoned(folder.path("target"));
    abandoned.write("never");
  }
  if (folder.content("target") != "new" || entries(folder) != 1) return __LINE__;
  AtomicFile first(folder.path("other"));
  AtomicFile moved = std::move(first);
  moved.write("1");
  moved.commit();
  if (folder.content("other") != "1" || entries(folder) != 2) return __LINE__;
  return 0;
}

TEST(AtomicFile, appears_whole_or_not_at_all) { EXPECT_EQ(check_whole_or_nothing(), 0); }

TEST(AtomicFile, appears_whole_where_files_need_a_name) {
  const int result = in_child([] {
    if (!fail_system_call(SYS_openat, EOPNOTSUPP, 2, O_TMPFILE & ~O_DIRECTORY)) return kNoFilter;
    return check_whole_or_nothing();
  });
  if (result == kNoFilter) GTEST_SKIP() << "no system call filters here";
  EXPECT_EQ(result, 0);
}

TEST(AtomicFile, permissions_follow_the_umask) {
  const TemporaryFolder folder;
  const mode_t before = umask(027);
  write_file(folder.path("target"), std::string_view("x"));
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(folder.path("target").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, link_is_replaced_and_its_target_kept) {
  const TemporaryFolder folder;
  folder.file("precious", "keep");
  fs::create_symlink("precious", folder.path("link"));
  write_file(folder.path("link"), std::string_view("new"));
  EXPECT_EQ(folder.content("precious"), "keep");
  EXPECT_EQ(folder.content("link"), "new");
  EXPECT_FALSE(fs::is_symlink(folder.path("link")));
}

TEST(AtomicFile, what_is_no_file_is_refused) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  for (const std::string& path :
       {std::string(), folder.path("fifo"), folder.path(), folder.path() + "/", folder.path("."),
        folder.path(".."), folder.path("absent/file"), std::string("/dev/null"),
        folder.path(std::string("a\0b", 3))}) {
    try {
      const AtomicFile file(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::file_unwritable) << path;
    }
  }
  EXPECT_EQ(entries(folder), 1);
}

TEST(AtomicFile, failed_write_keeps_the_old_file) {
  const TemporaryFolder folder;
  folder.file("target", "old");
  EXPECT_EQ(in_child([&] {
              signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{100000, 100000};
              if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              try {
                AtomicFile file(folder.path("target"));
                file.write(std::string(200000, 'x'));
                file.commit();
              } catch (const Error& error) {
                return error.code() == ErrorCode::file_unwritable ? 0 : 2;
              }
              return 3;
            }),
            0);
  for (const long call : {static_cast<long>(SYS_fsync), static_cast<long>(SYS_linkat),
                          static_cast<long>(SYS_renameat)}) {
    EXPECT_EQ(in_child([&] {
                if (!fail_system_call(call, EIO)) return 0;  // nothing to see here
                try {
                  write_file(folder.path("target"), std::string_view("new"));
                } catch (const Error& error) {
                  return error.code() == ErrorCode::file_unwritable ? 0 : 2;
                }
                return 3;
              }),
              0)
        << call;
  }
  EXPECT_EQ(folder.content("target"), "old");
  EXPECT_EQ(entries(folder), 1);
}

TEST(AtomicFile, is_old_or_new_after_a_kill) { kill_while_writing(60); }

}  // namespace
}  // namespace strop::os

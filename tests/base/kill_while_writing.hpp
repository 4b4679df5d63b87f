// SPDX-License-Identifier: Apache-2.0
// Kills a process at random points while it replaces a file again and again.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "base/os/atomic_file.hpp"
#include "support/temporary_folder.hpp"

namespace strop::os {

inline void kill_while_writing(int times) {
  const testing::TemporaryFolder folder;
  // Content of one letter, its length told by the letter: any mixture or cut is seen.
  const auto content = [](int version) {
    return std::string(static_cast<std::size_t>(20000 + 7000 * (version % 26)),
                       static_cast<char>('a' + version % 26));
  };
  write_file(folder.path("target"), content(0));
  std::mt19937 random(11);
  for (int i = 0; i < times; ++i) {
    // The child tells when its first file is in place: from then on it is in the middle of writing
    // others.
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
      for (int version = i;; ++version) {
        const std::string bytes = content(version);
        AtomicFile file(folder.path("target"));
        file.write(bytes.substr(0, bytes.size() / 3));
        file.write(bytes.substr(bytes.size() / 3));
        file.commit();
        if (version == i && write(ready[1], "x", 1) != 1) _exit(1);
      }
    }
    close(ready[1]);
    char byte = 0;
    const ssize_t told = read(ready[0], &byte, 1);
    close(ready[0]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(told, 1) << "the child ended before it wrote a file";
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string now = folder.content("target");
    ASSERT_FALSE(now.empty());
    ASSERT_EQ(now, content(now[0] - 'a')) << "a broken file after kill " << i;
  }
}

}  // namespace strop::os

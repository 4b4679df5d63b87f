// SPDX-License-Identifier: Apache-2.0
// Every change of an engine file is found before anything of it is used.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "plan/engine_tamper.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::EngineTamper;
using testing::refused;
using testing::sample_engine_of;

TEST_F(EngineTamper, every_bit_flip_of_header_and_table_is_found) {
  for (std::size_t i = 0; i < tables_end_; ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      ASSERT_TRUE(refused_with_flip(i, bit)) << "bit " << bit << " of byte " << i;
    }
  }
}

TEST_F(EngineTamper, random_bit_flips_of_sections_and_padding_are_found) {
  expect_random_flips_refused(10000);
}

TEST_F(EngineTamper, every_bit_flip_of_padding_is_found) {
  std::size_t checked = 0;
  std::size_t end = tables_end_;
  for (const auto& section :
       engine_layout::read_sections(bytes_, engine_layout::read_header(bytes_))) {
    const auto begin = static_cast<std::size_t>(section.bytes.data() - bytes_.data());
    for (std::size_t i = end; i < begin; ++i, ++checked) {
      for (unsigned bit = 0; bit < 8; ++bit) ASSERT_TRUE(refused_with_flip(i, bit)) << i;
    }
    end = begin + section.bytes.size();
  }
  EXPECT_GT(checked, 0u);
}

TEST_F(EngineTamper, every_truncation_is_found) {
  for (std::size_t length = 0; length < bytes_.size(); ++length) {
    try {
      load_engine(bytes_.first(length), nullptr);
      FAIL() << length;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), length == 0 ? ErrorCode::not_an_engine : ErrorCode::engine_truncated)
          << length;
    }
  }
}

TEST_F(EngineTamper, random_changes_of_many_bytes_are_found) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::vector<std::byte> good(bytes_.begin(), bytes_.end());
    const std::size_t from = random() % bytes_.size();
    const std::size_t to = random() % bytes_.size();
    const std::size_t count =
        1 + random() % std::min(bytes_.size() - std::max(from, to), std::size_t{5000});
    std::memmove(bytes_.data() + to, bytes_.data() + from, count);
    const bool same = std::equal(good.begin(), good.end(), bytes_.begin());
    ASSERT_NE(refused(bytes_), same) << i;
    std::ranges::copy(good, bytes_.begin());
  }
}

TEST_F(EngineTamper, sections_of_two_engines_cannot_be_mixed) {
  EngineContents other = sample_engine_of(60000);
  other.plan.name = "niam";
  const auto bytes = serialize_engine(other);
  ASSERT_EQ(bytes.size(), bytes_.size());
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(tables_end_), bytes.end(),
            bytes_.begin() + static_cast<std::ptrdiff_t>(tables_end_));
  EXPECT_TRUE(refused(bytes_));
}

TEST(EngineFileKilled, is_old_or_new_after_each_kill_while_it_is_saved) {
  const testing::TemporaryFolder folder;
  const std::string path = folder.path("a.strop");
  const EngineContents engines[] = {sample_engine_of(100000), sample_engine_of(300000)};
  std::string ids[2];
  for (int i = 0; i < 2; ++i) {
    ids[i] = load_engine(serialize_engine(engines[i]), nullptr).header.content_id;
  }
  save_engine(engines[0], path);
  std::mt19937 random(8);
  int seen[2] = {};
  for (int i = 0; i < 60; ++i) {
    // The child tells when its first file is in place: from then on it is in the middle of another.
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int version = i;; ++version) {
        save_engine(engines[version % 2], path);
        if (version == i && write(ready[1], "x", 1) != 1) _exit(1);
      }
    }
    close(ready[1]);
    char byte = 0;
    const ssize_t told = read(ready[0], &byte, 1);
    close(ready[0]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 6000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(told, 1) << "the child ended before it wrote a file";
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string id = load_engine(path).header.content_id;
    ASSERT_TRUE(id == ids[0] || id == ids[1]);
    ++seen[id == ids[0] ? 0 : 1];
  }
  EXPECT_GT(seen[0], 0);
  EXPECT_GT(seen[1], 0);
}

}  // namespace
}  // namespace strop

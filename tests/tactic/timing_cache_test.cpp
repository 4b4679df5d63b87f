// SPDX-License-Identifier: Apache-2.0
#include "tactic/timing_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/hash.hpp"

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace strop {
namespace {

class TimingCacheFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            ("strop_timing_cache_" +
             std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove(path_);
  }
  void TearDown() override {
    std::filesystem::remove(path_);
    std::filesystem::remove(aside());
  }
  std::filesystem::path aside() const { return path_.string() + ".set-aside"; }
  void write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string read() const { return read(path_); }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A file with these devices, whose hash matches.
  static std::string file_of(const std::string& devices) {
    const std::string compact = nlohmann::json::parse(devices).dump();
    return "{\"format\":2,\"check\":\"" + hash_bytes(compact).hex() + "\",\"devices\":" + devices +
           "}";
  }
  std::filesystem::path path_;
};

TEST_F(TimingCacheFile, gives_back_what_was_stored_in_another_process) {
  TimingCache first("zen3");
  first.store("conv a", {{"x", 10}, {"y", 7}});
  first.save(path_);
  TimingCache second("zen3");
  EXPECT_FALSE(second.load(path_).has_value());
  const auto* times = second.find("conv a", {"x", "y"});
  ASSERT_NE(times, nullptr);
  EXPECT_EQ((*times)[1].nanoseconds, 7);
}

TEST_F(TimingCacheFile, ignores_entries_of_another_device_or_other_candidates) {
  TimingCache first("zen3");
  first.store("conv a", {{"x", 10}, {"y", 7}});
  first.save(path_);
  TimingCache other("zen5");
  other.load(path_);
  EXPECT_EQ(other.find("conv a", {"x", "y"}), nullptr);
  TimingCache same("zen3");
  same.load(path_);
  EXPECT_EQ(same.find("conv a", {"x", "z"}), nullptr);
  // Without a library there are fewer candidates.
  EXPECT_NE(same.find("conv a", {"x"}), nullptr);
}

TEST_F(TimingCacheFile, says_that_it_knows_other_devices_alone_and_keeps_them) {
  TimingCache first("zen3");
  first.store("conv a", {{"x", 10}});
  EXPECT_EQ(first.save(path_), std::nullopt);
  TimingCache other("zen5");
  const auto note = other.load(path_);
  ASSERT_TRUE(note.has_value());
  EXPECT_NE(note->find("other machines"), std::string::npos) << *note;
  other.store("conv a", {{"x", 5}});
  EXPECT_EQ(other.save(path_), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(aside()));
  TimingCache again("zen3");
  EXPECT_EQ(again.load(path_), std::nullopt);
  EXPECT_EQ(again.find("conv a", {"x"})->front().nanoseconds, 10);
}

TEST_F(TimingCacheFile, merges_two_writers) {
  TimingCache a("zen3");
  TimingCache b("zen3");
  a.store("conv a", {{"x", 1}, {"y", 2}});
  b.store("conv b", {{"x", 3}, {"y", 4}});
  a.save(path_);
  b.save(path_);
  TimingCache both("zen3");
  both.load(path_);
  EXPECT_NE(both.find("conv a", {"x", "y"}), nullptr);
  EXPECT_NE(both.find("conv b", {"x", "y"}), nullptr);
}

TEST_F(TimingCacheFile, loses_nothing_when_many_write_at_once) {
  constexpr int kWriters = 4, kSaves = 12;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([this, w] {
      for (int i = 0; i < kSaves; ++i) {
        TimingCache cache("zen3");
        cache.store("conv " + std::to_string(w) + " " + std::to_string(i), {{"x", 1 + i}});
        EXPECT_EQ(cache.save(path_), std::nullopt);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  TimingCache all("zen3");
  EXPECT_EQ(all.load(path_), std::nullopt);
  for (int w = 0; w < kWriters; ++w) {
    for (int i = 0; i < kSaves; ++i) {
      const std::string problem = "conv " + std::to_string(w) + " " + std::to_string(i);
      EXPECT_NE(all.find(problem, {"x"}), nullptr) << problem;
    }
  }
}

#if !defined(_WIN32)
TEST_F(TimingCacheFile, loses_nothing_when_processes_write_at_once) {
  constexpr int kProcesses = 4, kSaves = 8;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool saved = true;
      for (int i = 0; i < kSaves; ++i) {
        TimingCache cache("zen3");
        cache.store("conv " + std::to_string(p) + " " + std::to_string(i), {{"x", 1}});
        saved = saved && !cache.save(path_);
      }
      _exit(saved ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  TimingCache all("zen3");
  all.load(path_);
  for (int p = 0; p < kProcesses; ++p) {
    for (int i = 0; i < kSaves; ++i) {
      EXPECT_NE(all.find("conv " + std::to_string(p) + " " + std::to_string(i), {"x"}), nullptr);
    }
  }
}
#endif

TEST_F(TimingCacheFile, does_not_trust_a_file_with_one_changed_byte) {
  TimingCache cache("zen3");
  cache.store("conv a", {{"x", 10}, {"y", 7}});
  cache.save(path_);
  const std::string good = read();
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (good[at] == ' ' || good[at] == '\n') continue;  // of the layout, or in a name
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write(bad);
    TimingCache reader("zen3");
    EXPECT_TRUE(reader.load(path_).has_value()) << bad;
    EXPECT_EQ(reader.find("conv a", {"x"}), nullptr) << bad;
  }
}

TEST_F(TimingCacheFile, is_kept_beside_when_it_was_set_aside_and_replaced) {
  const std::string newer = R"({"format":3,"timings":"of a later version"})";
  write(newer);
  TimingCache cache("zen3");
  EXPECT_TRUE(cache.load(path_).has_value());
  cache.store("conv a", {{"x", 10}});
  EXPECT_EQ(cache.save(path_), std::nullopt);
  EXPECT_EQ(read(aside()), newer);
  TimingCache again("zen3");
  EXPECT_EQ(again.load(path_), std::nullopt);
  EXPECT_NE(again.find("conv a", {"x"}), nullptr);
}

TEST(TimingCacheTimes, a_budget_that_cut_off_is_told_from_a_larger_one) {
  for (const double budget : {0.0, 0.5, 60.0, 1e30}) {
    EXPECT_FALSE(is_time(cut_off_by(budget)));
    EXPECT_GT(cut_off_by(budget), 0);
    EXPECT_FALSE(was_cut_off_before(cut_off_by(budget), budget)) << budget;
    EXPECT_FALSE(was_cut_off_before(cut_off_by(budget), budget / 2)) << budget;
  }
  EXPECT_TRUE(was_cut_off_before(cut_off_by(10), 10.5));
  EXPECT_FALSE(was_cut_off_before(kNoTime, 1e9));
  EXPECT_FALSE(is_time(kNoTime));
  EXPECT_FALSE(was_cut_off_before(7, 1e9));
  EXPECT_TRUE(is_time(7));
}

TEST_F(TimingCacheFile, that_cannot_be_written_is_a_note) {
  TimingCache cache("zen3");
  cache.store("conv a", {{"x", 10}});
  const auto note = cache.save(path_ / "no such folder" / "timings");
  ASSERT_TRUE(note.has_value());
  EXPECT_NE(note->find("is not written"), std::string::npos) << *note;
}

TEST_F(TimingCacheFile, takes_names_that_are_no_utf8) {
  TimingCache cache("zen3");
  cache.store("conv \xff", {{"x", 10}});
  EXPECT_EQ(cache.save(path_), std::nullopt);
  EXPECT_EQ(TimingCache("zen3").load(path_), std::nullopt);
}

TEST_F(TimingCacheFile, is_empty_when_the_file_is) {
  write("");
  EXPECT_EQ(TimingCache("zen3").load(path_), std::nullopt);
}

TEST_F(TimingCacheFile, is_set_aside_with_a_note_when_it_is_not_a_cache) {
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(R"({"format":1,"devices":{}})"),
        std::string(R"({"format":2})"), std::string(R"({"format":2,"devices":{}})"),
        std::string(R"({"format":2,"check":"0","devices":{}})"),
        std::string(R"({"format":"2","devices":{}})"), file_of(R"({"zen3":{"a":[]}})"),
        file_of(R"({"zen3":{"a":[["x",-5]]}})"), file_of(R"({"zen3":{"a":[["x",1e300]]}})"),
        file_of(R"({"zen3":{"a":[["x",18446744073709551615]]}})"),
        file_of(R"({"zen3":{"a":[["x"]]}})"), file_of(R"({"zen3":{"a":[[1,1]]}})"),
        file_of(R"({"zen3":7})")}) {
    write(text);
    TimingCache cache("zen3");
    const auto note = cache.load(path_);
    ASSERT_TRUE(note.has_value()) << text;
    EXPECT_NE(note->find("set aside"), std::string::npos);
    EXPECT_EQ(cache.find("a", {"x"}), nullptr) << text;
  }
}

}  // namespace
}  // namespace strop

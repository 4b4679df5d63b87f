// SPDX-License-Identifier: Apache-2.0
#include "tactic/timing_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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
  void TearDown() override { std::filesystem::remove(path_); }
  void write(const std::string& text) { std::ofstream(path_) << text; }
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
  EXPECT_EQ(same.find("conv a", {"x"}), nullptr);
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

TEST_F(TimingCacheFile, is_set_aside_with_a_note_when_it_is_not_a_cache) {
  for (const char* text : {"", "{", "[]", "{\"format\":2,\"devices\":{}}", "{\"format\":1}",
                           "{\"format\":1,\"devices\":{\"zen3\":{\"a\":[]}}}",
                           "{\"format\":1,\"devices\":{\"zen3\":{\"a\":[[\"x\",-5]]}}}",
                           "{\"format\":1,\"devices\":{\"zen3\":{\"a\":[[1,1]]}}}",
                           "{\"format\":\"1\",\"devices\":{}}"}) {
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

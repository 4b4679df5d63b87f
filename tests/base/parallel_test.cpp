// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace strop {
namespace {

class Parallel : public ::testing::Test {
 protected:
  void SetUp() override { set_thread_count(4); }
  void TearDown() override { set_thread_count(0); }
};

using Ranges = std::set<std::pair<std::int64_t, std::int64_t>>;

Ranges ranges_of(std::int64_t count, std::int64_t grain) {
  std::mutex mutex;
  Ranges out;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    out.emplace(begin, end);
  });
  return out;
}

TEST_F(Parallel, every_index_is_visited_once) {
  for (const std::int64_t count : {0, 1, 2, 7, 64, 1000, 4097}) {
    for (const std::int64_t grain : {1, 3, 16, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& visit : visits) ASSERT_EQ(visit, 1) << count << " " << grain;
    }
  }
}

TEST_F(Parallel, ranges_are_multiples_of_the_grain_and_repeat) {
  const Ranges ranges = ranges_of(1003, 10);
  EXPECT_GT(ranges.size(), 4u);
  for (const auto& [begin, end] : ranges) {
    EXPECT_EQ(begin % 10, 0);
    EXPECT_TRUE(end % 10 == 0 || end == 1003);
  }
  for (int i = 0; i < 50; ++i) ASSERT_EQ(ranges_of(1003, 10), ranges);
}

TEST_F(Parallel, huge_counts_do_not_overflow) {
  constexpr std::int64_t kHuge = INT64_MAX;
  std::atomic<std::uint64_t> sum{0};
  parallel_for(kHuge, 1, [&](std::int64_t begin, std::int64_t end) {
    sum += static_cast<std::uint64_t>(end - begin);
  });
  EXPECT_EQ(sum, static_cast<std::uint64_t>(kHuge));
  sum = 0;
  parallel_for(kHuge, kHuge - 1, [&](std::int64_t begin, std::int64_t end) {
    sum += static_cast<std::uint64_t>(end - begin);
  });
  EXPECT_EQ(sum, static_cast<std::uint64_t>(kHuge));
}

TEST_F(Parallel, several_threads_take_part) {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> arrived{0};
  // Each of two ranges waits for the other, which only another thread can run.
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(ids.size(), 2u);
}

TEST_F(Parallel, one_thread_runs_in_the_caller) {
  set_thread_count(1);
  EXPECT_EQ(thread_count(), 1);
  const auto caller = std::this_thread::get_id();
  int calls = 0;
  parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 1000);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
}

TEST_F(Parallel, nested_loops_run_serially) {
  std::atomic<std::int64_t> sum{0};
  parallel_for(16, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto thread = std::this_thread::get_id();
    for (std::int64_t i = begin; i < end; ++i) {
      parallel_for(100, 1, [&](std::int64_t b, std::int64_t e) {
        EXPECT_EQ(std::this_thread::get_id(), thread);
        sum += e - b;
      });
    }
  });
  EXPECT_EQ(sum, 1600);
}

TEST_F(Parallel, exception_reaches_the_caller_and_the_next_loop_works) {
  for (int round = 0; round < 200; ++round) {
    const std::int64_t bad = round % 100;
    EXPECT_THROW(parallel_for(100, 1,
                              [&](std::int64_t begin, std::int64_t end) {
                                if (begin <= bad && bad < end) throw std::runtime_error("bad");
                              }),
                 std::runtime_error);
    std::atomic<int> seen{0};
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      seen += static_cast<int>(end - begin);
    });
    ASSERT_EQ(seen, 100);
  }
}

TEST_F(Parallel, many_callers_and_changing_thread_counts) {
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int n = 1; !stop; n = n % 8 + 1) {
      set_thread_count(n);
      std::this_thread::yield();
    }
  });
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t) {
    callers.emplace_back([] {
      for (int round = 0; round < 500; ++round) {
        std::atomic<std::int64_t> sum{0};
        parallel_for(200, 3, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) sum += i;
        });
        EXPECT_EQ(sum, 199 * 200 / 2);
      }
    });
  }
  for (auto& caller : callers) caller.join();
  stop = true;
  changer.join();
}

TEST_F(Parallel, takes_any_callable) {
  std::atomic<int> calls{0};
  const std::function<void(std::int64_t, std::int64_t)> function = [&](std::int64_t, std::int64_t) {
    ++calls;
  };
  parallel_for(1, 1, function);
  EXPECT_EQ(calls, 1);
  EXPECT_THROW(parallel_for(1, 0, function), Error);
}

TEST_F(Parallel, thread_count_is_limited) {
  set_thread_count(1 << 20);
  EXPECT_EQ(thread_count(), 1024);
  set_thread_count(-3);
  EXPECT_GE(thread_count(), 1);
}

}  // namespace
}  // namespace strop

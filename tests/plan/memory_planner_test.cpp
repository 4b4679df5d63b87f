// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/error.hpp"
#include "plan/plan.hpp"

namespace strop {
namespace {

// No plan can be smaller: what lives at the same time.
std::int64_t most_live_bytes(const std::vector<Lifetime>& lifetimes, std::int64_t alignment) {
  std::vector<std::pair<std::uint32_t, std::int64_t>> events;
  for (const Lifetime& life : lifetimes) {
    const std::int64_t size = (life.bytes + alignment - 1) / alignment * alignment;
    events.emplace_back(life.first, size);
    events.emplace_back(life.last + 1, -size);
  }
  std::ranges::sort(events);
  std::int64_t live = 0;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    live += events[i].second;
    if (i + 1 == events.size() || events[i + 1].first != events[i].first) {
      most = std::max(most, live);
    }
  }
  return most;
}

void expect_valid(const std::vector<Lifetime>& lifetimes, const MemoryPlan& plan,
                  std::int64_t alignment) {
  ASSERT_EQ(plan.offsets.size(), lifetimes.size());
  // By offset, so that only neighbours in memory are compared with all that begins within them.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    ASSERT_GE(plan.offsets[i], 0);
    ASSERT_EQ(plan.offsets[i] % alignment, 0);
    ASSERT_LE(plan.offsets[i] + lifetimes[i].bytes, plan.total);
    if (lifetimes[i].bytes > 0) order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::size_t i) { return plan.offsets[i]; });
  for (std::size_t a = 0; a < order.size(); ++a) {
    const Lifetime& x = lifetimes[order[a]];
    for (std::size_t b = a + 1; b < order.size(); ++b) {
      if (plan.offsets[order[b]] >= plan.offsets[order[a]] + x.bytes) break;
      const Lifetime& y = lifetimes[order[b]];
      ASSERT_TRUE(x.last < y.first || y.last < x.first)
          << "buffers " << order[a] << " and " << order[b] << " share memory at the same time";
    }
  }
}

std::vector<Lifetime> random_lifetimes(std::mt19937& random, std::size_t count) {
  std::vector<Lifetime> out(count);
  for (Lifetime& life : out) {
    life.bytes = random() % 8 == 0 ? 0 : static_cast<std::int64_t>(1) << (random() % 20);
    life.bytes += static_cast<std::int64_t>(random() % 100);
    life.first = random() % static_cast<std::uint32_t>(count);
    life.last = life.first + random() % 12;
  }
  return out;
}

// A chain in which every value is read by the next step, and some again as a skip connection.
std::vector<Lifetime> chain_with_skips(std::mt19937& random, std::uint32_t steps) {
  std::vector<Lifetime> out;
  std::int64_t channels = 64;
  std::int64_t pixels = 112 * 112;
  for (std::uint32_t i = 0; i < steps; ++i) {
    if (i % 12 == 11 && pixels > 49) {
      pixels /= 4;
      channels *= 2;
    }
    const std::int64_t expand = i % 3 == 1 ? 4 : 1;
    const std::uint32_t reads = i % 3 == 2 ? 3 : 1 + (random() % 8 == 0 ? 2 : 0);
    out.push_back({channels * expand * pixels * 4, i, std::min(steps, i + reads)});
  }
  return out;
}

TEST(PlanMemory, never_overlaps_what_lives_at_the_same_time) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const auto lifetimes = random_lifetimes(random, 1 + random() % 120);
    const std::int64_t alignment = round % 2 == 0 ? 64 : 4096;
    const MemoryPlan plan = plan_memory(lifetimes, alignment);
    expect_valid(lifetimes, plan, alignment);
    EXPECT_GE(plan.total, most_live_bytes(lifetimes, alignment));
  }
}

TEST(PlanMemory, is_near_the_lower_bound_on_random_lifetimes) {
  std::mt19937 random(2);
  double sum = 0;
  double worst = 0;
  for (int round = 0; round < 200; ++round) {
    const auto lifetimes = random_lifetimes(random, 100);
    const double ratio = static_cast<double>(plan_memory(lifetimes).total) /
                         static_cast<double>(most_live_bytes(lifetimes, 64));
    sum += ratio;
    worst = std::max(worst, ratio);
  }
  RecordProperty("mean_over_lower_bound", std::to_string(sum / 200));
  RecordProperty("worst_over_lower_bound", std::to_string(worst));
  EXPECT_LT(sum / 200, 1.05);
  EXPECT_LT(worst, 1.35);
}

TEST(PlanMemory, is_near_the_lower_bound_on_convolution_chains) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const auto lifetimes = chain_with_skips(random, 20 + random() % 150);
    const MemoryPlan plan = plan_memory(lifetimes);
    expect_valid(lifetimes, plan, 64);
    EXPECT_LE(static_cast<double>(plan.total),
              1.15 * static_cast<double>(most_live_bytes(lifetimes, 64)));
  }
}

TEST(PlanMemory, alternates_two_buffers_along_a_plain_chain) {
  std::vector<Lifetime> chain;
  for (std::uint32_t i = 0; i < 40; ++i) chain.push_back({1000, i, i + 1});
  EXPECT_EQ(plan_memory(chain).total, 2 * 1024);
}

TEST(PlanMemory, plans_many_buffers_in_bounded_time) {
  std::mt19937 random(4);
  const auto lifetimes = random_lifetimes(random, 20000);
  const auto start = std::chrono::steady_clock::now();
  const MemoryPlan plan = plan_memory(lifetimes);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  expect_valid(lifetimes, plan, 64);
  EXPECT_LT(static_cast<double>(plan.total),
            1.5 * static_cast<double>(most_live_bytes(lifetimes, 64)));
}

TEST(PlanMemory, gives_equal_plans_for_equal_lifetimes) {
  std::mt19937 random(5);
  const auto lifetimes = random_lifetimes(random, 500);
  EXPECT_EQ(plan_memory(lifetimes).offsets, plan_memory(lifetimes).offsets);
}

TEST(PlanMemory, needs_nothing_for_no_buffers) {
  EXPECT_EQ(plan_memory({}).total, 0);
  EXPECT_EQ(plan_memory({{0, 0, 5}}).total, 0);
}

TEST(PlanMemory, refuses_an_arena_past_the_largest_size) {
  const std::int64_t half = std::int64_t{1} << 62;
  EXPECT_EQ(plan_memory({{half, 0, 1}, {half, 2, 3}}).total, half);
  EXPECT_THROW(plan_memory({{half, 0, 2}, {half, 2, 3}}), Error);
  EXPECT_THROW(plan_memory({{0x7fffffffffffffff, 0, 1}}), Error);
}

}  // namespace
}  // namespace strop

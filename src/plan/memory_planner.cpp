// SPDX-License-Identifier: Apache-2.0
// Lifetimes -> sorted by size -> best gap, as XNNPACK's memory planner does: the large buffers find
// their place while there is room, the small ones fit in between.
#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "base/shape.hpp"
#include "plan/plan.hpp"

namespace strop {
namespace {

// Above this the quadratic search would take seconds; a plan from a hostile file may hold millions.
constexpr std::size_t kQuadraticLimit = 8192;

struct Placed {
  std::int64_t begin = 0, end = 0;  // bytes
  std::uint32_t first = 0, last = 0;
};

[[noreturn]] void too_large() {
  throw Error(ErrorCode::limit_exceeded, "the arena of this plan passes 2^63-1 bytes", {},
              "run the model with smaller input shapes");
}

std::int64_t add(std::int64_t a, std::int64_t b) {
  const auto sum = try_add(a, b);
  if (!sum) too_large();
  return *sum;
}

// Rounded up; nothing may pass 2^63-1 even so.
std::int64_t aligned(std::int64_t bytes, std::int64_t alignment) {
  return add(bytes, alignment - 1) / alignment * alignment;
}

// Buffers in the given order, each into the smallest gap between those already placed that live at
// the same time.
MemoryPlan place_in_best_gaps(const std::vector<Lifetime>& lifetimes,
                              const std::vector<std::uint32_t>& order, std::int64_t alignment) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<Placed> placed;  // by begin
  placed.reserve(order.size());
  for (const std::uint32_t i : order) {
    const Lifetime& life = lifetimes[i];
    const std::int64_t size = aligned(life.bytes, alignment);
    std::int64_t best = -1;
    std::int64_t best_gap = 0;
    std::int64_t end = 0;  // of what was passed and lives at the same time
    for (const Placed& other : placed) {
      if (other.last < life.first || life.last < other.first) continue;
      const std::int64_t gap = other.begin - end;
      if (gap >= size && (best < 0 || gap < best_gap)) {
        best = end;
        best_gap = gap;
      }
      end = std::max(end, other.end);
    }
    if (best < 0) best = end;
    plan.offsets[i] = best;
    const Placed here{best, add(best, size), life.first, life.last};
    plan.total = std::max(plan.total, here.end);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), here,
                         [](const Placed& a, const Placed& b) { return a.begin < b.begin; }),
        here);
  }
  return plan;
}

// In order of time with a list of free pieces: n log n, for plans too long for the search above.
MemoryPlan place_by_time(const std::vector<Lifetime>& lifetimes,
                         const std::vector<std::uint32_t>& nonempty, std::int64_t alignment) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<std::uint32_t> starts = nonempty;
  std::vector<std::uint32_t> ends = nonempty;
  std::ranges::stable_sort(starts, {}, [&](std::uint32_t i) { return lifetimes[i].first; });
  std::ranges::stable_sort(ends, {}, [&](std::uint32_t i) { return lifetimes[i].last; });
  std::map<std::int64_t, std::int64_t> free;                         // offset -> bytes
  std::map<std::pair<std::int64_t, std::int64_t>, char> free_sizes;  // (bytes, offset)
  const auto insert = [&](std::int64_t offset, std::int64_t bytes) {
    free.emplace(offset, bytes);
    free_sizes.emplace(std::pair(bytes, offset), 0);
  };
  const auto erase = [&](std::map<std::int64_t, std::int64_t>::iterator it) {
    free_sizes.erase({it->second, it->first});
    return free.erase(it);
  };
  std::size_t next_end = 0;
  for (const std::uint32_t i : starts) {
    for (; lifetimes[ends[next_end]].last < lifetimes[i].first; ++next_end) {
      const std::uint32_t over = ends[next_end];
      std::int64_t offset = plan.offsets[over];
      std::int64_t bytes = aligned(lifetimes[over].bytes, alignment);
      auto after = free.lower_bound(offset);
      if (after != free.end() && after->first == offset + bytes) {
        bytes += after->second;
        after = erase(after);
      }
      if (after != free.begin()) {
        const auto before = std::prev(after);
        if (before->first + before->second == offset) {
          offset = before->first;
          bytes += before->second;
          erase(before);
        }
      }
      insert(offset, bytes);
    }
    const std::int64_t size = aligned(lifetimes[i].bytes, alignment);
    const auto fit = free_sizes.lower_bound({size, 0});
    if (fit == free_sizes.end()) {
      plan.offsets[i] = plan.total;
      plan.total = add(plan.total, size);
      continue;
    }
    const auto [bytes, offset] = fit->first;
    plan.offsets[i] = offset;
    erase(free.find(offset));
    if (bytes > size) insert(offset + size, bytes - size);
  }
  return plan;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes, std::int64_t alignment) {
  STROP_CHECK(alignment > 0 && alignment <= (std::int64_t{1} << 30), "alignment of an arena");
  std::vector<std::uint32_t> order;
  order.reserve(lifetimes.size());
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    STROP_CHECK(lifetimes[i].bytes >= 0 && lifetimes[i].first <= lifetimes[i].last,
                "a lifetime has a size and does not end before it begins");
    if (lifetimes[i].bytes > 0) order.push_back(static_cast<std::uint32_t>(i));
  }
  if (order.size() > kQuadraticLimit) return place_by_time(lifetimes, order, alignment);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) {
    const Lifetime& x = lifetimes[a];
    const Lifetime& y = lifetimes[b];
    if (x.bytes != y.bytes) return x.bytes > y.bytes;
    return x.first < y.first;
  });
  return place_in_best_gaps(lifetimes, order, alignment);
}

}  // namespace strop

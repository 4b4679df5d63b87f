// SPDX-License-Identifier: Apache-2.0
// A loop is a Loop on the caller's stack, linked into the pool's list while it has ranges to give
// away. Whoever works on it, the caller first of all, claims the next range with one atomic
// addition. Progress never depends on a worker: where none could be started (or after fork, where
// none exists) the caller does everything.
//
// A worker that has finished, and a caller that waits for the last worker, look out for a moment
// before they sleep: the loops of a model follow each other within microseconds, and waking a
// thread takes longer than many of them.
#include "base/parallel.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/os/cpu_features.hpp"
#include "base/os/dynamic_library.hpp"

namespace strop {
namespace {

constexpr int kMaxThreads = 1024;
// Ranges a thread gets on average: enough to even out threads of different speed.
constexpr std::int64_t kRangesPerThread = 4;

// How long a thread looks out before it sleeps.
constexpr std::chrono::microseconds kLookOut{100};

thread_local bool inside_loop = false;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Until `happens()` or the time is over.
template <class F>
void look_out(F&& happens) {
  constexpr int kLooksPerClock = 64;
  const auto end = std::chrono::steady_clock::now() + kLookOut;
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (happens()) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
}

struct Loop {
  Loop(RangeBody of, std::int64_t indices, std::int64_t of_range)
      : body(of),
        count(indices),
        step(of_range),
        ranges(indices / of_range + (indices % of_range != 0 ? 1 : 0)) {}

  const RangeBody body;
  const std::int64_t count;
  const std::int64_t step;  // indices of a range
  const std::int64_t ranges;
  std::atomic<std::int64_t> next{0};  // range
  // Under the pool's mutex:
  int wanted = 0;               // workers that may still join
  std::atomic<int> workers{0};  // that work on it now; without the mutex only a hint
  bool listed = false;
  Loop* following = nullptr;
  std::exception_ptr failure;
  std::condition_variable finished;
};

class Pool {
 public:
  // Never destroyed: its threads sleep on it until the process ends.
  static Pool& instance() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  int thread_count() const { return target_.load(std::memory_order_relaxed); }

  void set_thread_count(int count) {
    const int target = count > 0 ? std::min(count, kMaxThreads) : default_count();
    if (target == thread_count()) return;
    const std::lock_guard lock(mutex_);
    target_.store(target, std::memory_order_relaxed);
    work_.notify_all();  // those above the number leave
  }

  void run(Loop& loop, int threads) {
    const int wanted = static_cast<int>(std::min<std::int64_t>(threads, loop.ranges)) - 1;
    {
      const std::lock_guard lock(mutex_);
      start_workers();
      loop.wanted = wanted;
      loop.listed = true;
      *tail_ = &loop;
      tail_ = &loop.following;
      listed_.fetch_add(1, std::memory_order_relaxed);
    }
    for (int i = 0; i < wanted; ++i) work_.notify_one();
    work_on(loop);
    std::unique_lock lock(mutex_);
    unlist(loop);
    if (loop.workers.load(std::memory_order_relaxed) > 0 && threads <= cpus_) {
      lock.unlock();
      look_out([&] { return loop.workers.load(std::memory_order_relaxed) == 0; });
      lock.lock();
    }
    loop.finished.wait(lock, [&] { return loop.workers.load(std::memory_order_relaxed) == 0; });
  }

 private:
  Pool() : target_(default_count()), cpus_(os::available_cpus()) {
    os::pin_module(reinterpret_cast<const void*>(&Pool::instance));
  }

  static int default_count() { return std::clamp(os::available_cpus(), 1, kMaxThreads); }

  // Claims ranges until none is left. Not under the mutex.
  void work_on(Loop& loop) {
    inside_loop = true;
    try {
      for (;;) {
        const std::int64_t range = loop.next.fetch_add(1, std::memory_order_relaxed);
        if (range >= loop.ranges) break;
        const std::int64_t begin = range * loop.step;
        loop.body(begin, loop.count - begin > loop.step ? begin + loop.step : loop.count);
      }
    } catch (...) {
      loop.next.store(loop.ranges, std::memory_order_relaxed);
      const std::lock_guard lock(mutex_);
      if (!loop.failure) loop.failure = std::current_exception();
    }
    inside_loop = false;
  }

  void start_workers() {
    const int target = thread_count();
    for (int i = 0; i < target - 1; ++i) {
      if (alive_[static_cast<std::size_t>(i)]) continue;
      try {
        std::thread([this, i] { serve(i); }).detach();
      } catch (const std::exception&) {
        return;  // the system gives no more threads: the loop goes on with those there are
      }
      alive_[static_cast<std::size_t>(i)] = true;
    }
  }

  void serve(int index) {
    std::unique_lock lock(mutex_);
    for (;;) {
      // More threads than CPUs: who looks out would keep another from working.
      if (head_ == nullptr && thread_count() <= cpus_) {
        lock.unlock();
        look_out([&] { return listed_.load(std::memory_order_relaxed) > 0; });
        lock.lock();
      }
      work_.wait(lock, [&] { return head_ != nullptr || index >= thread_count() - 1; });
      if (index >= thread_count() - 1) {
        alive_[static_cast<std::size_t>(index)] = false;
        if (head_ != nullptr)
          work_.notify_one();  // the call to work may have been meant for another
        return;
      }
      Loop& loop = *head_;
      loop.workers.fetch_add(1, std::memory_order_relaxed);
      if (--loop.wanted == 0) unlist(loop);
      lock.unlock();
      work_on(loop);
      lock.lock();
      unlist(loop);
      // Under the mutex, which the caller takes once more before it destroys the loop.
      if (loop.workers.fetch_sub(1, std::memory_order_relaxed) == 1) loop.finished.notify_one();
    }
  }

  void unlist(Loop& loop) {
    if (!loop.listed) return;
    loop.listed = false;
    listed_.fetch_sub(1, std::memory_order_relaxed);
    Loop** link = &head_;
    while (*link != &loop) link = &(*link)->following;
    *link = loop.following;
    if (tail_ == &loop.following) tail_ = link;
  }

  std::mutex mutex_;
  std::condition_variable work_;
  Loop* head_ = nullptr;  // loops that may take more workers, oldest first
  Loop** tail_ = &head_;
  std::atomic<int> listed_{0};  // loops in the list; without the mutex only a hint
  std::atomic<int> target_;
  const int cpus_;
  std::array<bool, kMaxThreads> alive_{};  // worker of that index
};

}  // namespace

void parallel_for(std::int64_t count, std::int64_t grain, RangeBody body) {
  if (count <= 0) return;
  STROP_CHECK(grain >= 1, "a range holds at least one index");
  // A loop too small to be cut does not even look at the pool.
  if (inside_loop || count <= grain) return body(0, count);
  Pool& pool = Pool::instance();
  const int threads = pool.thread_count();
  if (threads <= 1) return body(0, count);

  const std::int64_t grains = count / grain + (count % grain != 0 ? 1 : 0);
  const std::int64_t aim = threads * kRangesPerThread;
  const std::int64_t grains_per_range = grains / aim + (grains % aim != 0 ? 1 : 0);
  // Two ranges or more, so that a range of them is less than count and does not overflow.
  if (grains_per_range >= grains) return body(0, count);
  Loop loop(body, count, grains_per_range * grain);
  pool.run(loop, threads);
  if (loop.failure) std::rethrow_exception(loop.failure);
}

void set_thread_count(int count) { Pool::instance().set_thread_count(count); }

int thread_count() { return Pool::instance().thread_count(); }

}  // namespace strop

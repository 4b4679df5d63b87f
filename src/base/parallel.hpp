// SPDX-License-Identifier: Apache-2.0
// Loops over index ranges on a pool of threads. The pool belongs to the shared library that holds
// this code, starts with the first loop that can use it, sleeps a tenth of a millisecond after the
// last loop, and lives as long as the process.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace strop {

// A borrowed callable void(begin, end): no allocation, valid while what it was made from lives.
class RangeBody {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, RangeBody>)
      RangeBody(F&& body)  // NOLINT: a callable is a body
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(body)))),
        call_([](void* object, std::int64_t begin, std::int64_t end) {
          (*static_cast<std::remove_reference_t<F>*>(object))(begin, end);
        }) {}
  void operator()(std::int64_t begin, std::int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, std::int64_t, std::int64_t);
};

// Calls body(begin, end) for ranges that together are [0, count), each once, from this and other
// threads; returns when all are done. Every range but the last holds a multiple of `grain` (>= 1)
// indices and starts at one, and how [0, count) is cut depends on count, grain and the thread count
// alone. A loop within a body runs serially in its thread. The first exception of a body is
// rethrown here; ranges not yet begun are then left out. Any thread may call it at any time.
void parallel_for(std::int64_t count, std::int64_t grain, RangeBody body);

// Threads that work on one loop, the caller included; 1 starts no pool. 0 returns to the default:
// the CPUs that this process may use. At most 1024. A loop already under way keeps the number it
// began with.
void set_thread_count(int count);
int thread_count();

}  // namespace strop

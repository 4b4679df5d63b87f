// SPDX-License-Identifier: Apache-2.0
// A loop over [0, count) on all threads of the process-wide pool.
#pragma once

#include <cstdint>
#include <functional>

namespace strop {

// Calls body(begin, end) for disjoint ranges that cover [0, count), each at least `grain` long but the last. Calls from inside
// a body run serially. The first exception of a body is rethrown here.
void parallel_for(std::int64_t count, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);
// At least 1. Takes effect at the next parallel_for.
void set_thread_count(int count);
int thread_count();

}  // namespace strop

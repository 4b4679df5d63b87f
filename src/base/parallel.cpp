// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.hpp"

namespace strop {

void parallel_for(std::int64_t count, std::int64_t, const std::function<void(std::int64_t, std::int64_t)>& body) {
  if (count > 0) body(0, count);
}

void set_thread_count(int) {}
int thread_count() { return 1; }

}  // namespace strop

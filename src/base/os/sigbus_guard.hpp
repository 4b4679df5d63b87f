// SPDX-License-Identifier: Apache-2.0
// POSIX only. While a guard lives, a bus error in its range (a mapped file lost what lay there)
// maps zeros over the rest of the range instead of killing the process.
#pragma once

#include <cstddef>

namespace strop::os {

class SigbusGuard {
 public:
  // A guard that does not hold when 1024 others live, or the handler could not be installed.
  SigbusGuard(void* begin, std::size_t length);
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;

  bool holds() const { return slot_ >= 0; }
  // Whether zeros were put in.
  bool hit() const;

 private:
  int slot_ = -1;
};

}  // namespace strop::os

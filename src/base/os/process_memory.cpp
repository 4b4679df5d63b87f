// SPDX-License-Identifier: Apache-2.0
#include "base/os/process_memory.hpp"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
// After windows.h, which it needs.
#include <psapi.h>
#else
#include <fstream>
#include <string>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#endif

namespace strop::os {

#if defined(_WIN32)
namespace {
PROCESS_MEMORY_COUNTERS counters() {
  PROCESS_MEMORY_COUNTERS out{};
  out.cb = sizeof out;
  if (K32GetProcessMemoryInfo(GetCurrentProcess(), &out, sizeof out) == 0) out = {};
  return out;
}
}  // namespace

std::uint64_t resident_bytes() { return counters().WorkingSetSize; }
std::uint64_t peak_resident_bytes() { return counters().PeakWorkingSetSize; }
#else
namespace {
// A line "VmHWM:   1234 kB". getrusage would also count what the process was before exec.
std::uint64_t status_line(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kib = 0;
    if (word == name && status >> kib) return kib * 1024;
  }
  return 0;
}
}  // namespace

std::uint64_t resident_bytes() { return status_line("VmRSS:"); }
std::uint64_t peak_resident_bytes() { return status_line("VmHWM:"); }
#endif

void advise_huge_pages([[maybe_unused]] void* begin, [[maybe_unused]] std::uint64_t bytes) {
#if defined(__linux__)
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t from = (first + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  const std::uintptr_t to = (first + bytes) / kHugePageBytes * kHugePageBytes;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

}  // namespace strop::os

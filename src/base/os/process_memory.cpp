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

}  // namespace strop::os

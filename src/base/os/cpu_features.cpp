// SPDX-License-Identifier: Apache-2.0
#include "base/os/cpu_features.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sched.h>
#include <unistd.h>
#endif

namespace strop::os {
namespace {

#if defined(__x86_64__) || defined(__i386__)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// The register state that the operating system saves on a context switch (XCR0).
std::uint64_t saved_state() {
  unsigned low = 0;
  unsigned high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

bool bit(std::uint64_t value, int index) { return ((value >> index) & 1u) != 0; }

CpuFeatures detect() {
  CpuFeatures f;
  const Registers base = cpuid(0);
  std::array<char, 12> vendor{};
  std::memcpy(vendor.data(), &base.b, 4);
  std::memcpy(vendor.data() + 4, &base.d, 4);
  std::memcpy(vendor.data() + 8, &base.c, 4);
  f.vendor.assign(vendor.begin(), std::find(vendor.begin(), vendor.end(), '\0'));
  if (cpuid(0x80000000u).a >= 0x80000004u) {
    std::array<char, 48> brand{};
    for (unsigned i = 0; i < 3; ++i) {
      const Registers r = cpuid(0x80000002u + i);
      std::memcpy(brand.data() + i * 16, &r, 16);
    }
    f.brand.assign(brand.begin(), std::find(brand.begin(), brand.end(), '\0'));
    f.brand.erase(0, f.brand.find_first_not_of(' '));
    f.brand.erase(f.brand.find_last_not_of(' ') + 1);
  }
  const Registers one = cpuid(1);
  f.sse41 = bit(one.c, 19);
  const std::uint64_t state = bit(one.c, 27) ? saved_state() : 0;
  const bool ymm = (state & 0x6u) == 0x6u;
  const bool zmm = (state & 0xe6u) == 0xe6u;
  const bool tiles = (state & 0x60000u) == 0x60000u;
  f.avx = ymm && bit(one.c, 28);
  f.fma = ymm && bit(one.c, 12);
  f.f16c = ymm && bit(one.c, 29);
  if (base.a >= 7) {
    const Registers seven = cpuid(7, 0);
    f.avx2 = ymm && bit(seven.b, 5);
    f.avx512f = zmm && bit(seven.b, 16);
    f.avx512dq = zmm && bit(seven.b, 17);
    f.avx512bw = zmm && bit(seven.b, 30);
    f.avx512vl = zmm && bit(seven.b, 31);
    f.avx512_vnni = zmm && bit(seven.c, 11);
    f.avx512_fp16 = zmm && bit(seven.d, 23);
    f.amx_bf16 = tiles && bit(seven.d, 22) && bit(seven.d, 24);
    f.amx_int8 = tiles && bit(seven.d, 25) && bit(seven.d, 24);
    if (seven.a >= 1) {
      const Registers more = cpuid(7, 1);
      f.avx_vnni = ymm && bit(more.a, 4);
      f.avx512_bf16 = zmm && bit(more.a, 5);
    }
  }
  return f;
}

#elif defined(__aarch64__)

CpuFeatures detect() {
  CpuFeatures f;
  f.vendor = "ARM";
  f.neon = true;  // part of the base architecture
#if defined(__linux__)
  // Bits of the kernel's documentation "ARM64 ELF hwcaps".
  const unsigned long caps = getauxval(AT_HWCAP);
  const unsigned long caps2 = getauxval(AT_HWCAP2);
  f.fp16 = ((caps >> 10) & 1u) != 0;
  f.dotprod = ((caps >> 20) & 1u) != 0;
  f.sve = ((caps >> 22) & 1u) != 0;
  f.i8mm = ((caps2 >> 13) & 1u) != 0;
  f.bf16 = ((caps2 >> 14) & 1u) != 0;
#endif
  return f;
}

#else

CpuFeatures detect() { return {}; }

#endif

#if !defined(_WIN32)

// A number from a file of the kernel; negative if there is none ("max" means no limit).
double number_in(const char* path) {
  std::ifstream file(path);
  double value = -1;
  return file >> value ? value : -1;
}

// CPUs that the container's quota amounts to; 0 without one. Version 2 of control groups, then
// version 1.
double cpu_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = -1;
  double period = -1;
  if (file >> quota >> period && quota > 0 && period > 0) return quota / period;
  quota = number_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  period = number_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  return quota > 0 && period > 0 ? quota / period : 0;
}

int allowed_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string instruction_sets(const CpuFeatures& f) {
  const std::pair<bool, const char*> all[] = {
      {f.sse41, "sse41"},
      {f.avx, "avx"},
      {f.avx2, "avx2"},
      {f.fma, "fma"},
      {f.f16c, "f16c"},
      {f.avx_vnni, "avx_vnni"},
      {f.avx512f, "avx512f"},
      {f.avx512bw, "avx512bw"},
      {f.avx512dq, "avx512dq"},
      {f.avx512vl, "avx512vl"},
      {f.avx512_vnni, "avx512_vnni"},
      {f.avx512_bf16, "avx512_bf16"},
      {f.avx512_fp16, "avx512_fp16"},
      {f.amx_int8, "amx_int8"},
      {f.amx_bf16, "amx_bf16"},
      {f.neon, "neon"},
      {f.fp16, "fp16"},
      {f.dotprod, "dotprod"},
      {f.i8mm, "i8mm"},
      {f.bf16, "bf16"},
      {f.sve, "sve"},
  };
  std::string out;
  for (const auto& [present, name] : all) {
    if (!present) continue;
    if (!out.empty()) out += ' ';
    out += name;
  }
  return out;
}

#if defined(_WIN32)

int available_cpus() {
  DWORD_PTR process = 0;
  DWORD_PTR system = 0;
  int count = 0;
  if (GetProcessAffinityMask(GetCurrentProcess(), &process, &system) != 0) {
    for (; process != 0; process &= process - 1) ++count;
  }
  return std::max(1, count > 0 ? count : static_cast<int>(std::thread::hardware_concurrency()));
}

std::uint64_t memory_bytes() {
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) != 0 ? status.ullTotalPhys : 0;
}

#else

int available_cpus() {
  static const int count = [] {
    int cpus = std::max(1, allowed_cpus());
    const double quota = cpu_quota();
    if (quota > 0) cpus = std::min(cpus, std::max(1, static_cast<int>(std::ceil(quota))));
    return cpus;
  }();
  return count;
}

std::uint64_t memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  std::uint64_t bytes = pages > 0 && page > 0
                            ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page)
                            : 0;
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const double limit = number_in(path);
    if (limit > 0 && limit < static_cast<double>(bytes)) bytes = static_cast<std::uint64_t>(limit);
  }
  return bytes;
}

#endif

}  // namespace strop::os

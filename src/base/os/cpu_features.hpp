// SPDX-License-Identifier: Apache-2.0
// What the processor and the operating system give to this process. Read once; safe from any
// thread.
#pragma once

#include <cstdint>
#include <string>

namespace strop::os {

// An instruction set is true when both the processor and the operating system (register state) have
// it.
struct CpuFeatures {
  std::string vendor;  // "GenuineIntel", "AuthenticAMD", "ARM"
  std::string brand;   // as the processor names itself; empty if it does not
  // x86-64
  bool sse41 = false;
  bool avx = false;
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool avx_vnni = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool avx512_fp16 = false;
  bool amx_int8 = false;
  bool amx_bf16 = false;
  // AArch64
  bool neon = false;
  bool fp16 = false;  // arithmetic, not only conversion
  bool dotprod = false;
  bool i8mm = false;
  bool bf16 = false;
  bool sve = false;
};

const CpuFeatures& cpu_features();
// Names of those that are true, in the order above: "sse41 avx avx2 fma f16c".
std::string instruction_sets(const CpuFeatures& features);

// Logical processors this process may use: its affinity, lowered to the container's CPU quota
// (rounded up). At least 1.
int available_cpus();
// Physical memory, or the container's limit where that is lower. 0 if the system does not tell.
std::uint64_t memory_bytes();

}  // namespace strop::os

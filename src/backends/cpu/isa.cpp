// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/isa.hpp"

#include <algorithm>
#include <atomic>

#include "base/os/cpu_features.hpp"

namespace strop::cpu {
namespace {

std::atomic<Isa> limit{Isa::avx512_bf16};

Isa best_of_processor() {
#if defined(__x86_64__)
  const os::CpuFeatures& cpu = os::cpu_features();
  const bool avx512 = cpu.avx512f && cpu.avx512bw && cpu.avx512dq && cpu.avx512vl;
  if (avx512 && cpu.avx512_vnni && cpu.avx512_bf16) return Isa::avx512_bf16;
  if (avx512 && cpu.avx512_vnni) return Isa::avx512_vnni;
  if (avx512) return Isa::avx512;
  if (cpu.avx2 && cpu.fma) return Isa::avx2;
#endif
  return Isa::generic;
}

}  // namespace

Isa isa() {
  static const Isa best = best_of_processor();
  return std::min(best, limit.load(std::memory_order_relaxed));
}

void limit_isa(Isa most) { limit.store(most, std::memory_order_relaxed); }

}  // namespace strop::cpu

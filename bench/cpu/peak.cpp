// SPDX-License-Identifier: Apache-2.0
// What one core of this machine reaches, measured: multiply-adds from registers (fp32; bf16 and
// int8 dot products where the processor has them) in 10^9 operations a second, and bytes read from
// a working set of the size of each cache level and of memory in 10^9 bytes a second. Prints JSON.
//
//     c++ -O2 -std=c++20 bench/cpu/peak.cpp -o peak && taskset -c 0 ./peak
//
// Each figure is the best of several rounds of a few milliseconds.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

constexpr int kRounds = 40;
constexpr int kAccumulators = 12;  // independent sums, to hide the time that one takes
volatile float sink;               // keeps results alive

template <class F>
double best_seconds(F&& body) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    best = std::min(best, spent.count());
  }
  return best;
}

constexpr std::int64_t kSteps = 400'000;

#if defined(__x86_64__)
// Twelve independent sums in registers 0 to 11 of the kind `r` (zmm, ymm), each of them `op` of
// itself with registers 14 and 15, which like the sums are zero: times do not depend on values.
#define STROP_REPEAT(X, op, r) \
  X(op, r, 0)                  \
  X(op, r, 1)                  \
  X(op, r, 2)                  \
  X(op, r, 3)                  \
  X(op, r, 4) X(op, r, 5) X(op, r, 6) X(op, r, 7) X(op, r, 8) X(op, r, 9) X(op, r, 10) X(op, r, 11)
#define STROP_ADD(op, r, n) op " %%" r "14, %%" r "15, %%" r #n "\n\t"
#define STROP_CLEAR(op, r, n) "vxorps %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n\t"
#define STROP_SUMS(name, op, r)                                                               \
  void name() {                                                                               \
    std::int64_t steps = kSteps;                                                              \
    asm volatile(STROP_REPEAT(STROP_CLEAR, op, r) STROP_CLEAR(op, r, 14)                      \
                     STROP_CLEAR(op, r, 15) "1:\n\t" STROP_REPEAT(                            \
                         STROP_ADD, op, r) "sub $1, %0\n\tjnz 1b\n\tvzeroupper\n\t"           \
                 : "+r"(steps)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", \
                   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15");               \
  }

STROP_SUMS(fma_avx512, "vfmadd231ps", "zmm")
STROP_SUMS(fma_avx2, "vfmadd231ps", "ymm")
STROP_SUMS(dot_s8, "vpdpbusd", "zmm")
STROP_SUMS(dot_bf16, "vdpbf16ps", "zmm")

__attribute__((target("avx512f"))) void read_avx512(const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i + 64 <= count; i += 64) {
    const __m512i a = _mm512_loadu_si512(from + i), b = _mm512_loadu_si512(from + i + 16),
                  c = _mm512_loadu_si512(from + i + 32), d = _mm512_loadu_si512(from + i + 48);
    asm volatile("" ::"v"(a), "v"(b), "v"(c), "v"(d));
  }
}
#endif

void read_plain(const float* from, std::int64_t count) {
  float sums[16] = {};
  for (std::int64_t i = 0; i + 16 <= count; i += 16) {
    for (int k = 0; k < 16; ++k) sums[k] += from[i + k];
  }
  for (const float sum : sums) sink = sum;
}

// Operations of all steps with so many in each instruction.
double rate(double in_one, void (*body)()) {
  return static_cast<double>(kSteps) * kAccumulators * in_one / best_seconds(body) * 1e-9;
}

double reading(std::int64_t bytes) {
  const std::vector<float> data(static_cast<std::size_t>(bytes / 4), 1.0f);
  const auto count = static_cast<std::int64_t>(data.size());
  const std::int64_t repeats = std::max<std::int64_t>(1, (std::int64_t{16} << 20) / bytes);
  const double seconds = best_seconds([&] {
    for (std::int64_t i = 0; i < repeats; ++i) {
#if defined(__x86_64__)
      if (__builtin_cpu_supports("avx512f")) {
        read_avx512(data.data(), count);
        continue;
      }
#endif
      read_plain(data.data(), count);
    }
  });
  return static_cast<double>(bytes * repeats) / seconds * 1e-9;
}

}  // namespace

int main() {
  std::printf("{");
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    std::printf("\"fp32\": %.4g, ", rate(32, fma_avx512));
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    std::printf("\"fp32\": %.4g, ", rate(16, fma_avx2));
  }
  if (__builtin_cpu_supports("avx512vnni")) std::printf("\"int8\": %.4g, ", rate(128, dot_s8));
  if (__builtin_cpu_supports("avx512bf16")) std::printf("\"bf16\": %.4g, ", rate(64, dot_bf16));
#endif
  std::printf("\"read_l1\": %.4g, \"read_l2\": %.4g, \"read_l3\": %.4g, \"read_memory\": %.4g}\n",
              reading(16 << 10), reading(512 << 10), reading(8 << 20), reading(256 << 20));
}

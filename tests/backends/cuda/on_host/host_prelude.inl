// SPDX-License-Identifier: Apache-2.0
// Stand-ins for CUDA on the processor; see host_kernels.hpp.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __align__(x) __attribute__((aligned(x)))
#define __CUDA_ARCH__ 0
using std::isinf;
struct Dim3 {
  unsigned x = 0, y = 0, z = 0;
};
static Dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace host {
struct Fiber {
  ucontext_t context;
  static constexpr std::size_t kStackBytes = 128 << 10;
  std::unique_ptr<char[]> stack{new char[kStackBytes]};
  bool done = false;
  unsigned thread = 0;
};
static std::vector<std::unique_ptr<Fiber>> fibers;
static ucontext_t scheduler;
static Fiber* running = nullptr;
static std::function<void()> entry;
static unsigned long long exchange[1024];
alignas(128) static unsigned char dynamic_shared[256 << 10];

inline void yield() { swapcontext(&running->context, &scheduler); }

// For the threads of a block, or of a warp, that have not ended.
struct Barrier {
  unsigned live = 0, waiting = 0, generation = 0;
  void open() {
    waiting = 0;
    ++generation;
  }
  void wait() {
    const unsigned before = generation;
    if (++waiting == live) open();
    while (generation == before) yield();
  }
  void leave() {
    if (--live == waiting && live > 0) open();
  }
};
static Barrier of_block, of_warp[32];
inline void sync_warp() { of_warp[running->thread / 32].wait(); }

// Copies that a thread has begun take place when it waits for them. From nowhere: zeros.
struct Copy {
  void* to;
  const void* from;
  unsigned bytes;
};
static std::vector<Copy> uncommitted[1024];
static std::deque<std::vector<Copy>> groups[1024];

inline void start() {
  entry();
  running->done = true;
  of_block.leave();
  of_warp[running->thread / 32].leave();
  yield();
}
// The threads run in turn, each to a barrier that it has to wait at.
inline void run_block(unsigned threads) {
  std::memset(dynamic_shared, 0xff, sizeof(dynamic_shared));
  of_block = Barrier{threads};
  for (unsigned warp = 0; warp < 32; ++warp)
    of_warp[warp] = Barrier{threads > 32 * warp ? std::min(32u, threads - 32 * warp) : 0u};
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  for (unsigned t = 0; t < threads; ++t) {
    uncommitted[t].clear();
    groups[t].clear();
    Fiber& fiber = *fibers[t];
    fiber.done = false;
    fiber.thread = t;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = Fiber::kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, start, 0);
  }
  for (bool any = true; any;) {
    any = false;
    for (unsigned t = 0; t < threads; ++t) {
      if (fibers[t]->done) continue;
      running = fibers[t].get();
      threadIdx.x = t;
      swapcontext(&scheduler, &running->context);
      any = any || !running->done;
    }
  }
}
}  // namespace host

inline void __syncthreads() { host::of_block.wait(); }
inline int atomicAdd(int* at, int value) { const int before = *at; *at += value; return before; }
inline void __syncwarp() { host::sync_warp(); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  const unsigned t = host::running->thread;
  std::memcpy(&host::exchange[t], &value, sizeof(T));
  host::sync_warp();
  T out;
  std::memcpy(&out, &host::exchange[t ^ static_cast<unsigned>(mask)], sizeof(T));
  host::sync_warp();
  return out;
}
inline float __int_as_float(int x) { float y; std::memcpy(&y, &x, 4); return y; }
inline float __uint_as_float(unsigned x) { float y; std::memcpy(&y, &x, 4); return y; }
inline unsigned __float_as_uint(float x) { unsigned y; std::memcpy(&y, &x, 4); return y; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline int __float_as_int(float x) { int y; std::memcpy(&y, &x, 4); return y; }
inline double __longlong_as_double(long long x) { double y; std::memcpy(&y, &x, 8); return y; }
inline long long __double_as_longlong(double x) { long long y; std::memcpy(&y, &x, 8); return y; }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline float rsqrtf(float x) { return 1.f / std::sqrt(x); }
inline double rsqrt(double x) { return 1. / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
using std::fmod; using std::pow; using std::exp; using std::log; using std::sqrt; using std::fabs;
using std::erf; using std::expm1; using std::log1p; using std::floor; using std::ceil;
using std::rint; using std::tanh;

static float host_half_to_float(unsigned short b) { _Float16 h; std::memcpy(&h, &b, 2); return static_cast<float>(h); }
static unsigned short host_float_to_half(float f) {
  const _Float16 h = static_cast<_Float16>(f); unsigned short b; std::memcpy(&b, &h, 2); return b;
}
static unsigned short host_float_to_bfloat(float f) {
  const unsigned bits = __float_as_uint(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<unsigned short>((bits >> 16) | 0x40u);
  return static_cast<unsigned short>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
static float host_reciprocal(float x) { return 1.f / x; }

template <class T>
T __shfl_sync(unsigned, T value, int source) {
  const unsigned t = host::running->thread;
  std::memcpy(&host::exchange[t], &value, sizeof(T));
  host::sync_warp();
  T out;
  std::memcpy(&out, &host::exchange[t / 32 * 32 + static_cast<unsigned>(source)], sizeof(T));
  host::sync_warp();
  return out;
}
#ifdef HOST_PTX
#include "host_ptx.inl"
#else
// --- what kernels/attention_mma.cuh has for tensor cores
static void copy_async(unsigned short* to, const unsigned short* from, bool inside) {
  for (int i = 0; i < 8; ++i) to[i] = inside ? from[i] : 0;
}
static void commit_copies() {
  const unsigned t = host::running->thread;
  host::groups[t].push_back(std::move(host::uncommitted[t]));
  host::uncommitted[t].clear();
}
template <int LEFT>
void wait_copies() {
  auto& groups = host::groups[host::running->thread];
  for (; groups.size() > LEFT; groups.pop_front()) {
    for (const host::Copy& copy : groups.front()) {
      if (copy.from != nullptr) std::memcpy(copy.to, copy.from, copy.bytes);
      else std::memset(copy.to, 0, copy.bytes);
    }
  }
}
static void load_any(unsigned (&out)[4], const unsigned short* row, bool transposed) {
  const unsigned t = host::running->thread, warp = t / 32 * 32, lane = t % 32;
  host::exchange[t] = reinterpret_cast<unsigned long long>(row);
  host::sync_warp();
  for (unsigned m = 0; m < 4; ++m) {
    unsigned short two[2];
    for (unsigned e = 0; e < 2; ++e) {
      const unsigned r = transposed ? lane % 4 * 2 + e : lane / 4;
      const unsigned c = transposed ? lane / 4 : lane % 4 * 2 + e;
      two[e] = reinterpret_cast<const unsigned short*>(host::exchange[warp + 8 * m + r])[c];
    }
    out[m] = two[0] | static_cast<unsigned>(two[1]) << 16;
  }
  host::sync_warp();
}
static void load_matrices(unsigned (&out)[4], const unsigned short* row) { load_any(out, row, false); }
static void load_transposed(unsigned (&out)[4], const unsigned short* row) { load_any(out, row, true); }
static unsigned operand_a[1024][4], operand_b[1024][2];
static void multiply(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  const unsigned t = host::running->thread, warp = t / 32 * 32, lane = t % 32;
  for (int i = 0; i < 4; ++i) operand_a[t][i] = a[i];
  operand_b[t][0] = b0, operand_b[t][1] = b1;
  host::sync_warp();
  const auto half = [](unsigned pair, unsigned e) {
    return host_half_to_float(static_cast<unsigned short>(pair >> (16 * e)));
  };
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned row = lane / 4 + 8 * (i / 2), column = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const float x = half(operand_a[warp + row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)], k % 2);
      const float y = half(operand_b[warp + column * 4 + k % 8 / 2][k / 8], k % 2);
      c[i] += x * y;
    }
  }
  host::sync_warp();
}
static unsigned pack_pair(float low, float high) {
  return host_float_to_half(low) | static_cast<unsigned>(host_float_to_half(high)) << 16;
}
static float power_of_two(float x) { return std::exp2(x); }
#endif

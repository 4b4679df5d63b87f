// SPDX-License-Identifier: Apache-2.0
// Products by warpgroups of sm_90a: what comes before and after them, and their operands in shared
// memory, whose addresses are 32-bit.

using u32 = unsigned int;
using u64 = unsigned long long;

// Ordinary accesses to shared memory before it come before what the copy engine and the tensor
// cores do after it.
__device__ __forceinline__ void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void product_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void product_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int N>
__device__ __forceinline__ void product_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
// Keeps the compiler from moving an accumulator across.
__device__ __forceinline__ void pin(float& value) { asm volatile("" : "+f"(value)::"memory"); }
__device__ __forceinline__ void pin(int& value) { asm volatile("" : "+r"(value)::"memory"); }

// Descriptor of a K-major operand of rows of `row_bytes` (32, 64, 128), swizzled over as many.
// Another 32 bytes of K: two more.
__device__ __forceinline__ u64 product_operand(u32 address, u32 row_bytes) {
  const u64 layout = row_bytes == 128 ? 1 : row_bytes == 64 ? 2 : 3;
  return static_cast<u64>((address & 0x3ffff) >> 4) | (1ull << 16) |
         (static_cast<u64>(row_bytes / 2) << 32) | (layout << 62);
}
// Of an operand whose rows are k, of 128 bytes, swizzled; 64 columns more lie `panel_bytes` further
// on. Another 16 rows: 2,048 bytes more.
__device__ __forceinline__ u64 product_operand_by_rows(u32 address, u32 panel_bytes) {
  return static_cast<u64>((address & 0x3ffff) >> 4) | (static_cast<u64>(panel_bytes >> 4) << 16) |
         (64ull << 32) | (1ull << 62);
}

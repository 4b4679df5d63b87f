// SPDX-License-Identifier: Apache-2.0
// Memory of a context: blocks that grow and are kept, counted against one limit. 64-byte aligned,
// not initialised.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strop {

inline constexpr std::int64_t kBlockAlignment = 64;
inline constexpr std::int64_t kDeviceAlignment = 256;

// How much a context holds, and may hold (0: no limit).
struct MemoryBudget {
  std::int64_t used = 0;
  std::int64_t peak = 0;
  std::int64_t limit = 0;
};

class MemoryBlock {
 public:
  explicit MemoryBlock(MemoryBudget& budget) : budget_(&budget) {}
  ~MemoryBlock() { release(); }
  MemoryBlock(MemoryBlock&& other) noexcept;
  MemoryBlock& operator=(MemoryBlock&& other) noexcept;
  MemoryBlock(const MemoryBlock&) = delete;
  MemoryBlock& operator=(const MemoryBlock&) = delete;

  // At least `bytes`; what was in it is lost when it grows. Never null, not even for 0 bytes.
  // Throws Error(limit_exceeded, out_of_memory).
  void* reserve(std::int64_t bytes);
  // As reserve, and the first `keep` bytes stay; grows by half at least, for appending.
  void* grow(std::int64_t bytes, std::int64_t keep);
  void* data() const;
  std::int64_t capacity() const { return capacity_; }
  void release() noexcept;

 private:
  MemoryBudget* budget_;
  void* data_ = nullptr;
  std::int64_t capacity_ = 0;
};

// What stands for the memory of an empty tensor.
void* empty_memory();

}  // namespace strop

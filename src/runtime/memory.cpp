// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/os/process_memory.hpp"

namespace strop {
namespace {

alignas(64) std::byte empty_block[64];

// Large blocks in huge pages: a kernel reads and writes many streams a page apart.
std::align_val_t alignment_of(std::int64_t bytes) {
  const bool large = static_cast<std::uint64_t>(bytes) >= os::kHugePageBytes;
  return std::align_val_t{large ? std::size_t{os::kHugePageBytes}
                                : static_cast<std::size_t>(kBlockAlignment)};
}

void* allocate(std::int64_t bytes, const MemoryBudget& budget) {
  if (budget.limit > 0 && bytes > budget.limit - budget.used) {
    throw Error(ErrorCode::limit_exceeded,
                "the run needs " + std::to_string(bytes) + " bytes more of memory",
                std::to_string(budget.used) + " of the " + std::to_string(budget.limit) +
                    " bytes of its memory limit are in use",
                "raise the context's memory_bytes, or give smaller inputs");
  }
  void* data = ::operator new(static_cast<std::size_t>(bytes), alignment_of(bytes), std::nothrow);
  if (data == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                "no memory for a block of " + std::to_string(bytes) + " bytes",
                "the context holds " + std::to_string(budget.used) + " bytes already",
                "give smaller inputs, or run fewer contexts at a time");
  }
  os::advise_huge_pages(data, static_cast<std::uint64_t>(bytes));
  return data;
}

}  // namespace

void* empty_memory() { return empty_block; }

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : budget_(other.budget_),
      data_(std::exchange(other.data_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  if (this != &other) {
    release();
    budget_ = other.budget_;
    data_ = std::exchange(other.data_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

void* MemoryBlock::data() const { return data_ != nullptr ? data_ : empty_memory(); }

void MemoryBlock::release() noexcept {
  if (data_ != nullptr) ::operator delete(data_, alignment_of(capacity_));
  budget_->used -= capacity_;
  data_ = nullptr;
  capacity_ = 0;
}

void* MemoryBlock::reserve(std::int64_t bytes) {
  if (bytes <= capacity_) return data();
  release();
  data_ = allocate(bytes, *budget_);
  capacity_ = bytes;
  budget_->used += bytes;
  budget_->peak = std::max(budget_->peak, budget_->used);
  return data_;
}

void* MemoryBlock::grow(std::int64_t bytes, std::int64_t keep) {
  if (bytes <= capacity_) return data();
  const std::int64_t wanted = std::max(bytes, capacity_ + capacity_ / 2);
  MemoryBlock larger(*budget_);
  larger.reserve(wanted);
  if (keep > 0) std::memcpy(larger.data_, data_, static_cast<std::size_t>(keep));
  *this = std::move(larger);
  return data_;
}

}  // namespace strop

// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/runtime/host_copies.hpp"

#include <algorithm>
#include <cstring>

#include "base/os/cpu_features.hpp"
#include "base/parallel.hpp"

namespace strop::cuda {
namespace {

constexpr std::size_t kSlotBytes = 4 << 20;
constexpr std::size_t kLeastPiece = 512 << 10;  // with less, starting copies does
constexpr std::size_t kLeastBytes = 2 << 20;    // with less, waking threads takes the time
constexpr std::size_t kGrain = 64 << 10;        // of a thread
constexpr int kMostThreads = 4;                 // as fast as the bus

// Several pieces even of small copies, so that threads and the GPU work at the same time.
std::size_t piece_of(std::size_t bytes, std::size_t slots) {
  return std::clamp((bytes / slots + kGrain - 1) / kGrain * kGrain, kLeastPiece, kSlotBytes);
}

void copy_in_parallel(std::byte* to, const std::byte* from, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

}  // namespace

void HostCopies::wait() const {
  for (const Slot& slot : slots_) {
    if (slot.copied != nullptr) driver().cuEventSynchronize(slot.copied);
  }
}

HostCopies::~HostCopies() {
  wait();
  for (const Slot& slot : slots_) {
    if (slot.copied != nullptr) driver().cuEventDestroy(slot.copied);
    if (slot.memory != nullptr) driver().cuMemFreeHost(slot.memory);
  }
}

bool HostCopies::allocate() {
  if (failed_) return false;
  if (slots_.back().copied != nullptr) return true;
  // Of this library's loops, which are those above.
  static const bool limited = [] {
    set_thread_count(std::min(os::available_cpus(), kMostThreads));
    return true;
  }();
  static_cast<void>(limited);
  for (Slot& slot : slots_) {
    void* memory = nullptr;
    failed_ = driver().cuMemHostAlloc(&memory, kSlotBytes, 0) != CUDA_SUCCESS ||
              driver().cuEventCreate(&slot.copied, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS;
    slot.memory = static_cast<std::byte*>(memory);
    if (failed_) return false;
  }
  return true;
}

bool HostCopies::are_wanted(const void* host, std::size_t bytes) {
  if (bytes < kLeastBytes) return false;
  // It stays 0 for memory that the driver does not know.
  CUmemorytype type{};
  CUpointer_attribute asked = CU_POINTER_ATTRIBUTE_MEMORY_TYPE;
  void* to = &type;
  check(driver().cuPointerGetAttributes(1, &asked, &to, reinterpret_cast<CUdeviceptr>(host)),
        "asking for the kind of memory");
  return type == CUmemorytype{};
}

void HostCopies::to_device(CUdeviceptr to, const void* from, std::size_t bytes, CUstream stream) {
  const auto* source = static_cast<const std::byte*>(from);
  const std::size_t piece = piece_of(bytes, slots_.size());
  for (std::size_t at = 0; at < bytes; at += piece) {
    const Slot& slot = slots_[next_++ % slots_.size()];
    const std::size_t count = std::min(piece, bytes - at);
    check(driver().cuEventSynchronize(slot.copied), "copying to the GPU");
    copy_in_parallel(slot.memory, source + at, count);
    check(driver().cuMemcpyHtoDAsync(to + at, slot.memory, count, stream), "copying to the GPU");
    check(driver().cuEventRecord(slot.copied, stream), "copying to the GPU");
  }
}

void HostCopies::to_host(void* to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
  auto* target = static_cast<std::byte*>(to);
  const std::size_t piece = piece_of(bytes, slots_.size());
  const std::size_t first = next_;
  const auto slot_of = [&](std::size_t at) -> const Slot& {
    return slots_[(first + at / piece) % slots_.size()];
  };
  const auto order = [&](std::size_t at) {
    if (at >= bytes) return;
    const Slot& slot = slot_of(at);
    check(driver().cuMemcpyDtoHAsync(slot.memory, from + at, std::min(piece, bytes - at), stream),
          "copying from the GPU");
    check(driver().cuEventRecord(slot.copied, stream), "copying from the GPU");
    ++next_;
  };
  for (std::size_t i = 0; i < slots_.size(); ++i) order(i * piece);
  for (std::size_t at = 0; at < bytes; at += piece) {
    const Slot& slot = slot_of(at);
    check(driver().cuEventSynchronize(slot.copied), "copying from the GPU");
    copy_in_parallel(target + at, slot.memory, std::min(piece, bytes - at));
    order(at + slots_.size() * piece);
  }
}

}  // namespace strop::cuda

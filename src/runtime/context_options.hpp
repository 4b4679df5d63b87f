// SPDX-License-Identifier: Apache-2.0
// What a context may use. The limits bound what a hostile model can cost; 0 means no limit
// everywhere.
#pragma once

#include <cstdint>

namespace strop {

// The caller's, of memory on a device; see strop_context_options. Without `allocate` the driver's.
struct DeviceAllocator {
  void* (*allocate)(void* user, std::uint64_t bytes, std::int32_t device) = nullptr;
  void (*release)(void* user, void* memory, std::uint64_t bytes, std::int32_t device) = nullptr;
  void* user = nullptr;
};

struct ContextOptions {
  int threads = 0;  // of kernels on the CPU; 0: the CPUs that this process may use
  int prepared_shapes =
      8;  // combinations of input shapes kept ready; the longest unused one goes first
  bool profile = false;  // measure every step of every run

  std::int64_t deadline_ms = 0;                       // of one run
  std::int64_t loop_iterations = 100'000'000;         // of all loops of one run together
  std::int64_t tensor_bytes = std::int64_t{1} << 36;  // of one tensor, or all in one sequence
  std::int64_t sequence_length = 1'000'000;           // of one sequence
  std::int64_t memory_bytes = 0;  // planned, dynamic and working memory of the context together

  int device = 0;                        // number of the GPU, of an engine for one
  std::int64_t device_memory_bytes = 0;  // planned and working memory of the context on it
  DeviceAllocator device_allocator;
};

}  // namespace strop

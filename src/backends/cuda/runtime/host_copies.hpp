// SPDX-License-Identifier: Apache-2.0
// Copies between a GPU and memory of the host that is not page-locked: a piece at a time through
// memory that is, which several threads fill or empty while the GPU copies other pieces. Of one
// stream at a time, used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>

#include "backends/cuda/runtime/device.hpp"

namespace strop::cuda {

class HostCopies {
 public:
  HostCopies() = default;
  ~HostCopies();
  HostCopies(const HostCopies&) = delete;
  HostCopies& operator=(const HostCopies&) = delete;

  // Whether this is the way to copy: the memory is large and pageable.
  static bool are_wanted(const void* host, std::size_t bytes);
  // Of the page-locked memory, the first time; false where there is none. The device is current.
  bool allocate();
  // For all copies: another stream may be the next one.
  void wait() const;
  // Orders the copy in the stream. When it returns, `from` may change.
  void to_device(CUdeviceptr to, const void* from, std::size_t bytes, CUstream stream);
  // When it returns, `to` holds what the stream's work until here left in `from`.
  void to_host(void* to, CUdeviceptr from, std::size_t bytes, CUstream stream);

 private:
  struct Slot {
    std::byte* memory = nullptr;  // page-locked
    CUevent copied = nullptr;     // the end of the last copy from or to it
  };

  std::array<Slot, 4> slots_;
  std::size_t next_ = 0;
  bool failed_ = false;  // there is no page-locked memory
};

}  // namespace strop::cuda

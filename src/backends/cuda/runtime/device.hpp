// SPDX-License-Identifier: Apache-2.0
// A GPU: its primary context, which is shared with whatever else uses CUDA in this process, and
// what it is. One per GPU, for the life of the process; safe from any thread.
#pragma once

#include <memory>
#include <string>

#include "backends/cuda/runtime/driver.hpp"

namespace strop::cuda {

struct Device {
  int ordinal = 0;
  CUdevice handle = 0;
  CUcontext context = nullptr;
  std::string name;
  int compute_capability = 0;
  int multiprocessors = 0;
  int shared_bytes = 0;  // of one block, at most
  int l2_bytes = 0;
  std::size_t memory_bytes = 0;

  // Makes its context that of the calling thread.
  void use() const { check(driver().cuCtxSetCurrent(context), "making a GPU current"); }
};

int device_count();
// Throws Error(missing_device) naming the GPUs that there are.
Device& open_device(int ordinal);
// Without a context.
Device describe_device(int ordinal);

// A stream of one context of Strop's.
struct Stream {
  Device* device = nullptr;
  CUstream handle = nullptr;
  bool owned = false;
};

}  // namespace strop::cuda

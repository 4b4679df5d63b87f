// SPDX-License-Identifier: Apache-2.0
// The chip an engine is made for, as far as tactics ask.
#pragma once

#include <cstdint>
#include <string>

namespace strop {

struct DeviceProperties {
  std::string backend;         // whose steps work on its memory: "cuda"
  std::string name;            // "NVIDIA H100 80GB HBM3"; empty when no device was looked at
  int compute_capability = 0;  // 10 * major + minor: 90
  int multiprocessors = 0;
  std::int64_t shared_bytes = 0;  // of one block, at most
  std::int64_t l2_bytes = 0;
  std::int64_t memory_bytes = 0;
  int ordinal = 0;  // which of this machine's it is; negative: none, nothing can be run on it
};

}  // namespace strop
